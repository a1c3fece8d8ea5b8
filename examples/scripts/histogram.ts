// /// taskyard
// key: histogram
// title: Count values
// inputSchema: {type: object, required: [values], properties: {values: {type: array, items: {type: string}}}}
// ///

interface Input {
  values: string[];
}

export default function (input: Input): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of input.values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
