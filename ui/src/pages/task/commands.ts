import { isObject, stringifyJson } from "@/lib/json"

/** A start of a task as others write it. */
export interface Command {
  name: string
  text: (key: string, input: unknown, origin: string) => string
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** A link that fills the form in, as far as the values are plain; it starts nothing. */
function link(key: string, input: unknown, origin: string): string {
  const plain = Object.entries(isObject(input) ? input : {}).filter(([, value]) =>
    ["string", "number", "bigint", "boolean"].includes(typeof value),
  )
  const search = new URLSearchParams(plain.map(([name, value]) => [`in.${name}`, String(value)])).toString()
  return `${origin}/admin/task/${encodeURIComponent(key)}${search && `?${search}`}`
}

/** The ways to start a task elsewhere. Secrets are not in `input` here: the form keeps them to itself. */
export const COMMANDS: Command[] = [
  {
    name: "curl",
    text: (key, input, origin) =>
      [
        `curl -X POST ${quoted(`${origin}/admin/task/${encodeURIComponent(key)}/start`)}`,
        `  -H 'Authorization: Bearer '"$TASKYARD_TOKEN"`,
        `  -H 'Content-Type: application/json'`,
        `  -d ${quoted(stringifyJson(input))}`,
      ].join(" \\\n"),
  },
  {
    name: "CLI",
    text: (key, input) => `taskyard run ${quoted(key)} --input ${quoted(stringifyJson(input))}`,
  },
  { name: "link", text: link },
  { name: "JSON", text: (_, input) => stringifyJson(input, 2) },
  { name: "Python", text: (key, input) => `await yard.start(${python(key)}, ${python(input)})` },
]

/** A JSON value as a Python literal. */
export function python(value: unknown): string {
  if (value === null || value === undefined) return "None"
  if (typeof value === "boolean") return value ? "True" : "False"
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`
  if (isObject(value)) {
    return `{${Object.entries(value)
      .map(([name, each]) => `${python(name)}: ${python(each)}`)
      .join(", ")}}`
  }
  return stringifyJson(value)
}
