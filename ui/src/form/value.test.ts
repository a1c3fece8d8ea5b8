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

const part = (required: boolean, more: Partial<Field> = {}) => [
  field("part", "group", {
    type: "object",
    required,
    fields: [
      field("name", "text", { required: true }),
      field("loud", "checkbox", { type: "boolean" }),
      field("size", "integer", { type: "integer", default: 3 }),
    ],
    ...more,
  }),
]

test("an optional group is left out as long as nobody fills it in, whatever defaults it has", () => {
  expect(readForm(part(false), rawsOf(part(false), {}))).toEqual({ value: {}, faults: [] })
  const begun = { ...rawsOf(part(false), {}), "/part/loud": true }
  expect(readForm(part(false), begun).faults.map(fault => fault.path)).toEqual(["/part/name"])
  expect(readForm(part(true), rawsOf(part(true), {})).faults.map(fault => fault.path)).toEqual(["/part/name"])
})

test("an optional group that is a value by its defaults is sent as it is shown", () => {
  const whole = part(false, { fields: [field("size", "integer", { type: "integer", default: 3 })] })
  expect(readForm(whole, rawsOf(whole, {})).value).toEqual({ part: { size: 3 } })
  const none = part(false, { default: null, fields: whole[0]?.fields })
  expect(readForm(none, rawsOf(none, {})).value).toEqual({})
})

test("a group's own default fills its fields", () => {
  const given = part(false, { default: { name: "ada" } })
  expect(rawsOf(given, {})["/part/name"]).toBe("ada")
})

test("names that every object has are fields like others", () => {
  const odd = [field("constructor", "text"), field("toString", "text")]
  expect(readForm(odd, rawsOf(odd, {})).value).toEqual({})
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

test("a file that is on its way is no value yet", () => {
  const file = field("file", "file", { required: true })
  const made = readForm([file], { "/file": [{ id: null, name: "photo.bin" }] })
  expect(made).toEqual({ value: {}, faults: [{ path: "/file", message: "Uploading photo.bin" }] })
  expect(readForm([file], { "/file": [{ id: "7", name: "photo.bin" }] }).value).toEqual({ file: "7" })
})
