import { isObject } from "@/lib/json"

/** What another field has to be for this one to be shown, as the server tells it; all of a clause's words hold. */
export interface Clause {
  field: string
  in?: unknown[]
  not?: unknown[]
  min?: number
  max?: number
  filled?: boolean
}

const isFilled = (value: unknown) =>
  value !== undefined &&
  value !== null &&
  value !== "" &&
  (typeof value !== "object" || Object.keys(value).length > 0)

const same = (one: unknown, other: unknown) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null)

function holds(clause: Clause, value: unknown): boolean {
  const values = Array.isArray(value) ? value : [value]
  if (clause.filled !== undefined && isFilled(value) !== clause.filled) return false
  if (clause.in && !values.some(each => clause.in?.some(wanted => same(each, wanted)))) return false
  if (clause.not && values.some(each => clause.not?.some(other => same(each, other)))) return false
  if (clause.min === undefined && clause.max === undefined) return true
  return typeof value === "number" && value >= (clause.min ?? -Infinity) && value <= (clause.max ?? Infinity)
}

/** What is shown while the form has this value. */
export function shown<T extends { visibleIf?: Clause[] }>(things: T[], value: unknown): T[] {
  const values = isObject(value) ? value : {}
  return things.filter(each => (each.visibleIf ?? []).every(clause => holds(clause, values[clause.field])))
}
