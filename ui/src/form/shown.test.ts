import { expect, test } from "vitest"
import type { Field } from "./field"
import { type Clause, shown as shownOf } from "./shown"

const field = (key: string, visibleIf?: Clause[]): Field => ({
  key,
  label: key,
  type: "string",
  widget: "text",
  required: true,
  visibleIf,
})
const shown = (clause: Clause, value: unknown) => shownOf([field("a", [clause])], value).length === 1

test("a field without conditions is shown", () => {
  expect(shownOf([field("a"), field("b", [{ field: "a", in: ["x"] }])], { a: "y" })).toHaveLength(1)
  expect(shownOf([field("a")], null)).toHaveLength(1)
})

test("a clause asks for one of some values, or none of them", () => {
  expect(shown({ field: "b", in: [false] }, { b: false })).toBe(true)
  expect(shown({ field: "b", in: [false] }, {})).toBe(false)
  expect(shown({ field: "b", in: [1] }, { b: true })).toBe(false)
  expect(shown({ field: "b", in: ["x"] }, { b: ["y", "x"] })).toBe(true)
  expect(shown({ field: "b", not: ["x"] }, { b: "x" })).toBe(false)
})

test("a clause asks for a number within bounds, or for anything at all", () => {
  expect(shown({ field: "b", min: 1, max: 2 }, { b: 2 })).toBe(true)
  expect(shown({ field: "b", min: 1 }, { b: 0 })).toBe(false)
  expect(shown({ field: "b", min: 1 }, { b: "2" })).toBe(false)
  expect(shown({ field: "b", filled: true }, { b: 0 })).toBe(true)
  expect(shown({ field: "b", filled: false }, { b: "" })).toBe(true)
})
