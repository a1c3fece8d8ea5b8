import type { Clause } from "./shown"

/** A field as the server describes it (`domain/forms/fields.py`). */
export interface Field {
  key: string
  label: string
  type: string
  widget: string
  required: boolean
  default?: unknown
  options?: { value: unknown; label: string }[]
  help?: string
  placeholder?: string
  unit?: string
  accept?: string
  min?: number
  max?: number
  step?: number
  pattern?: string
  format?: string
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  multiple?: boolean
  nullable?: boolean
  readOnly?: boolean
  visibleIf?: Clause[]
  fields?: Field[]
}

/** How a form is laid out: in so many columns, under headings. */
export interface Layout {
  columns: number
  sections: { title: string; description: string; columns: number | null; fields: string[] }[]
}

/** A file that the server has taken, or that is on its way there. */
export interface Kept {
  id: string | null
  name: string
}

/** What a control holds: text as it is typed, places of options, files. */
export type Raw = string | boolean | string[] | Kept[]

/** What all controls of a form hold, by the JSON Pointer of their value. */
export type Raws = Record<string, Raw>

/** The pointer of a field below its parent's. */
export const pointerTo = (parent: string, key: string) =>
  key === "" ? parent : `${parent}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`

/** The fields that hold a value, each with its pointer; groups are opened. */
export function leaves(fields: Field[], parent = ""): [pointer: string, field: Field][] {
  return fields.flatMap(field => {
    const pointer = pointerTo(parent, field.key)
    return field.widget === "group"
      ? leaves(field.fields ?? [], pointer)
      : [[pointer, field] as [string, Field]]
  })
}
