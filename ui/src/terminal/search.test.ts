import { expect, test } from "vitest"
import { atLevel, find, placeOf, plainText } from "./search"

const lines = [
  { number: 1, at: 0, level: "debug", text: "Alpha" },
  { number: 2, at: 0, level: "info", text: "\u001b[31mal\u001b[0mpha beta" },
  { number: 3, at: 0, level: "error", text: "gamma" },
]

test("levels keep what is at least as bad", () => {
  expect(atLevel(lines, "info").map(line => line.number)).toEqual([2, 3])
  expect(atLevel(lines, "debug")).toBe(lines)
})

test("text is found beneath colours, without regard to case", () => {
  expect(find(lines, "ALPHA")).toEqual([0, 1])
  expect(find(lines, "")).toEqual([])
})

test("a line is found again where others have gone, or else the next", () => {
  expect(placeOf(lines.slice(1), 3)).toBe(1)
  expect(placeOf(lines.slice(1), 1)).toBe(0)
  expect(placeOf(lines, 4)).toBe(3)
})

test("what is copied has no escapes", () => {
  expect(plainText(lines)).toBe("Alpha\nalpha beta\ngamma")
})
