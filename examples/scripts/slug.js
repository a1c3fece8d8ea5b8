// /// taskyard
// key: slug
// title: Make a slug of a title
// inputSchema: {type: object, required: [title], properties: {title: {type: string}}}
// outputSchema: {type: string, pattern: "^[a-z0-9-]*$"}
// ///

export default async function (input, ctx) {
  const plain = input.title.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  ctx.log("info", `from ${input.title}`);
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}
