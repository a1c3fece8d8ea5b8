import { expect, test } from "vitest"
import type { Field } from "./field"
import { rawsOf, readForm } from "./value"

const field = (key: string, widget: string, more: Partial<Field> = {}): Field => ({
  key,
  label: key,
  type: "string",
  widget,
  required: false,
  ...more,
})

const FIELDS: Field[] = [
  field("name", "text", { required: true, minLength: 2 }),
  field("keep", "integer", { type: "integer", default: 5, min: 1, max: 50 }),
  field("format", "select", {
    options: ["sql", "tar"].map(value => ({ value, label: value })),
    default: "tar",
  }),
  field("verify", "checkbox", { type: "boolean", default: true }),
  field("tags", "text", { type: "array", multiple: true }),
  field("only", "multiselect", {
    type: "array",
    multiple: true,
    options: [
      { value: 1, label: "1" },
      { value: 2, label: "2" },
    ],
  }),
  field("more", "group", {
    type: "object",
    fields: [field("a/b", "number", { type: "number" }), field("x", "json", { type: "any" })],
  }),
]

test("what is shown is what is sent, defaults included", () => {
  const raws = rawsOf(FIELDS, { name: "orders" })
  expect(readForm(FIELDS, raws)).toEqual({
    value: { name: "orders", keep: 5, format: "tar", verify: true },
    faults: [],
  })
})

test("a value goes through the controls and comes back the same", () => {
  const value = {
    name: "ab",
    keep: 1,
    format: "sql",
    verify: false,
    tags: ["x", "y"],
    only: [2],
    more: { "a/b": 1.5, x: { y: [1] } },
  }
  expect(readForm(FIELDS, rawsOf(FIELDS, value)).value).toEqual(value)
})

test("an integer beyond 2^53 is kept exactly", () => {
  const raws = { ...rawsOf(FIELDS, { name: "ab" }), "/keep": "12345678901234567890" }
  expect((readForm([{ ...FIELDS[1], max: undefined } as Field], raws).value as { keep: bigint }).keep).toBe(
    12345678901234567890n,
  )
})

test.each([
  ["/name", "", "/name"],
  ["/name", "x", "/name"],
  ["/keep", "0", "/keep"],
  ["/keep", "1.5", "/keep"],
  ["/more/a~1b", "many", "/more/a~1b"],
  ["/more/x", "{", "/more/x"],
])("%s cannot be %o", (pointer, raw, path) => {
  const { faults } = readForm(FIELDS, { ...rawsOf(FIELDS, { name: "ab" }), [pointer]: raw })
  expect(faults.map(fault => fault.path)).toEqual([path])
})

test("a form for a whole value has one field without a key", () => {
  const whole = [field("", "integer", { type: "integer", required: true })]
  expect(readForm(whole, rawsOf(whole, 3))).toEqual({ value: 3, faults: [] })
})

test("a question that may stay open is answered with yes or no, or not at all", () => {
  const open = [field("ok", "checkbox", { type: "boolean", nullable: true })]
  expect(readForm(open, { "/ok": "true" }).value).toEqual({ ok: true })
  expect(readForm(open, { "/ok": "false" }).value).toEqual({ ok: false })
  expect(readForm(open, rawsOf(open, {})).value).toEqual({})
})

test("one value given to a list is a list of one", () => {
  expect(readForm(FIELDS, rawsOf(FIELDS, { name: "ab", tags: "x", only: 2 })).value).toMatchObject({
    tags: ["x"],
    only: [2],
  })
})
