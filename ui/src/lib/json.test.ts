import { expect, test } from "vitest"
import { parseJson, stringifyJson, tableOf } from "./json"

test("integers of any size come back as they came", () => {
  const text =
    '{"id":12345678901234567890,"negative":-9007199254740993,"small":7,"share":1.5e300,"half":0.1234567890123456,"said":"no 12345678901234567890 \\" [1]"}'
  expect(stringifyJson(parseJson(text))).toBe(text.replace("1.5e300", "1.5e+300"))
})

test("what looks like a marked integer stays text", () => {
  expect(stringifyJson({ a: "12" })).toBe('{"a":"12"}')
})

test("only objects make a table", () => {
  expect(tableOf([{ a: 1 }, { b: 2 }])?.columns).toEqual(["a", "b"])
  expect(tableOf({ a: 1 })?.rows).toHaveLength(1)
  expect([tableOf([1]), tableOf([]), tableOf("x"), tableOf([{ a: 1 }, null])]).toEqual([
    null,
    null,
    null,
    null,
  ])
})
