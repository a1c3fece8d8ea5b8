import { isObject, type JsonObject, parseJson, stringifyJson } from "@/lib/json"
import { form as t } from "@/texts/form"
import { type Field, type Kept, leaves, pointerTo, type Raw, type Raws } from "./field"

export interface Fault {
  path: string
  message: string
}

/** What the controls hold at first: `given`, and where it says nothing the defaults, those of groups included. */
export function rawsOf(fields: Field[], given: unknown): Raws {
  const raws: Raws = {}
  collect(fields, given, "", raws)
  return raws
}

function collect(fields: Field[], given: unknown, parent: string, raws: Raws): void {
  for (const field of fields) {
    const pointer = pointerTo(parent, field.key)
    const found = field.key === "" ? given : ownOf(given, field.key)
    const value = found === undefined ? field.default : found
    if (field.widget === "group") collect(field.fields ?? [], value, pointer, raws)
    else raws[pointer] = toRaw(field, value)
  }
}

/** The value that the controls make, and what no control can make a value of. What is left empty is left out. */
export function readForm(fields: Field[], raws: Raws): { value: unknown; faults: Fault[] } {
  const faults: Fault[] = []
  const [only] = fields
  if (fields.length === 1 && only?.key === "") return { value: read(only, "", raws, faults) ?? null, faults }
  return { value: readGroup(fields, "", raws, faults), faults }
}

function readGroup(fields: Field[], parent: string, raws: Raws, faults: Fault[]): JsonObject {
  const value: JsonObject = {}
  for (const field of fields) {
    const pointer = pointerTo(parent, field.key)
    const part =
      field.widget === "group" ? readPart(field, pointer, raws, faults) : read(field, pointer, raws, faults)
    if (part !== undefined) value[field.key] = part
  }
  return value
}

/**
 * A group that nobody has to fill in is left out where it is as it was at first: unless that, by the defaults of its
 * fields, is a value by itself.
 */
function readPart(field: Field, pointer: string, raws: Raws, faults: Fault[]): JsonObject | undefined {
  const inner = field.fields ?? []
  if (!field.required) {
    const first = rawsOf([field], {})
    const own = pointerTo("", field.key)
    const parts = leaves(inner).map(([place, leaf]) => ({
      leaf,
      raw: raws[pointer + place] ?? "",
      was: first[own + place] ?? "",
    }))
    const isUntouched = parts.every(({ raw, was }) => stringifyJson(raw) === stringifyJson(was))
    const isWhole = parts.every(({ leaf, raw }) => !leaf.required || !isEmpty(raw))
    const hasDefaults = field.default !== null && parts.some(({ leaf }) => leaf.default != null)
    if (isUntouched && !(isWhole && hasDefaults)) return undefined
  }
  return readGroup(inner, pointer, raws, faults)
}

function read(field: Field, pointer: string, raws: Raws, faults: Fault[]): unknown {
  const fault = (message: string) => void faults.push({ path: pointer, message })
  const raw = raws[pointer] ?? ""
  if (isEmpty(raw)) {
    if (field.required && !(field.nullable || field.type === "array")) fault(t.required)
    if (field.required && field.type === "array") return []
    return field.required && field.nullable ? null : undefined
  }
  if (typeof raw === "boolean") return raw
  if (Array.isArray(raw)) return readList(field, raw, fault)
  if (field.multiple) {
    const lines = raw.split("\n").filter(line => line.trim() !== "")
    return lines.map(line => readText(field, line, fault))
  }
  return readText(field, raw, fault)
}

function readList(field: Field, raw: string[] | Kept[], fault: (message: string) => void): unknown {
  const coming = comingOf(raw)
  if (coming) return fault(t.uploading(coming.name))
  const items = raw.map(each => (typeof each === "string" ? field.options?.[Number(each)]?.value : each.id))
  return field.multiple ? items : items[0]
}

/** The file that is on its way to the server, if there is one. */
export function comingOf(raw: Raw): Kept | undefined {
  return Array.isArray(raw) ? (raw as Kept[]).find(each => each.id === null) : undefined
}

function readText(field: Field, text: string, fault: (message: string) => void): unknown {
  switch (field.widget) {
    case "integer":
      if (/^\s*[+-]?\d+\s*$/.test(text)) return withinNumber(field, integer(text), fault)
      return fault(t.integer)
    case "number":
      if (text.trim() !== "" && Number.isFinite(Number(text))) return withinNumber(field, Number(text), fault)
      return fault(t.number)
    case "range":
      return Number(text)
    case "checkbox":
    case "select":
    case "radio":
      return field.options ? field.options[Number(text)]?.value : text === "true"
    case "datetime":
      return Number.isNaN(Date.parse(text)) ? fault(t.moment) : new Date(text).toISOString()
    case "json":
      return readJson(text, fault)
    default:
      return withinText(field, text, fault)
  }
}

function integer(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text.trim().replace(/^\+/, ""))
}

function withinNumber<N extends number | bigint>(
  field: Field,
  value: N,
  fault: (message: string) => void,
): N {
  if (field.min !== undefined && value < field.min) fault(t.atLeast(field.min))
  if (field.max !== undefined && value > field.max) fault(t.atMost(field.max))
  return value
}

function withinText(field: Field, text: string, fault: (message: string) => void): string {
  const length = [...text].length
  if (field.minLength !== undefined && length < field.minLength) fault(t.longer(field.minLength))
  if (field.maxLength !== undefined && length > field.maxLength) fault(t.shorter(field.maxLength))
  return text
}

function readJson(text: string, fault: (message: string) => void): unknown {
  try {
    return parseJson(text)
  } catch (error) {
    return fault(t.json((error as Error).message))
  }
}

const isEmpty = (raw: Raw) => raw === "" || (Array.isArray(raw) && raw.length === 0)

function toRaw(field: Field, value: unknown): Raw {
  if (field.widget === "checkbox" && !field.nullable) return value === true
  if (value === undefined || value === null)
    return field.widget === "multiselect" || field.widget === "file" ? [] : ""
  if (field.widget === "multiselect") return [value].flat().map(each => placeOf(field, each))
  if (field.widget === "file") return [value].flat().map(id => ({ id: String(id), name: String(id) }))
  if (field.widget === "json") return stringifyJson(value, 2)
  if (field.options) return placeOf(field, value)
  if (field.multiple) return [value].flat().map(String).join("\n")
  return field.widget === "datetime" ? localMoment(String(value)) : String(value)
}

const placeOf = (field: Field, value: unknown) =>
  String(field.options?.findIndex(option => stringifyJson(option.value) === stringifyJson(value)) ?? "")

function localMoment(text: string): string {
  const moment = new Date(text)
  if (Number.isNaN(moment.getTime())) return ""
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

const ownOf = (value: unknown, name: string) =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
