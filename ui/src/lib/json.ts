/** JSON whose integers are kept exactly: those beyond 2^53 are bigints here. */
export function parseJson(text: string): unknown {
  if (!LONG.test(text)) return JSON.parse(text)
  const marked = text.replace(TEXT_OR_INTEGER, part => (part.startsWith('"') ? part : `"\\u0000${part}"`))
  return JSON.parse(marked, (_, value) => (isMarked(value) ? exact(value.slice(1)) : value))
}

/** The same the other way round. */
export function stringifyJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(
    value,
    (_, each) => (typeof each === "bigint" ? `${MARK}${each}` : each),
    indent,
  )
  return text.replaceAll(MARKED, "$1")
}

// No text from the server has it: NUL is refused at its door.
const MARK = "\0"
const MARKED = /"\\u0000(-?\d+)"/g
const LONG = /\d{16}/
const TEXT_OR_INTEGER = /"(?:[^"\\]|\\.)*"|(?<![\w.+-])-?\d{16,}(?![\w.])/g

const isMarked = (value: unknown): value is string => typeof value === "string" && value.startsWith(MARK)

function exact(digits: string): number | bigint {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : BigInt(digits)
}

export type JsonObject = Record<string, unknown>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The rows and columns of a list of objects, or of one object; null for what makes no table. */
export function tableOf(value: unknown): { columns: string[]; rows: JsonObject[] } | null {
  const rows = Array.isArray(value) ? value : isObject(value) ? [value] : []
  if (rows.length === 0 || !rows.every(isObject)) return null
  return { columns: [...new Set(rows.flatMap(Object.keys))], rows }
}
