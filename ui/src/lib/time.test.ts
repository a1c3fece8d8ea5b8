import { expect, test } from "vitest"
import { absolute, clock, relative, span, urgency } from "./time"

test.each([
  [null, "–"],
  [-5, "0 ms"],
  [89.6, "90 ms"],
  [5510, "5.51 s"],
  [12_340, "12.3 s"],
  [123_000, "2 min 3 s"],
  [3_600_000, "1 h"],
  [3_840_000, "1 h 4 min"],
  [183_600_000, "2 d 3 h"],
])("%s ms is %s", (ms, text) => {
  expect(span(ms)).toBe(text)
})

test("moments before and after now", () => {
  const now = 1_000_000_000
  expect(relative(now - 3_000, now)).toBe("just now")
  expect(relative(now - 180_000, now)).toBe("3 min ago")
  expect(relative(now + 7_200_000, now)).toBe("in 2 h")
})

test("a due date is soon in its last hour and late from its moment on", () => {
  expect([urgency(100, 100), urgency(101, 100), urgency(3_600_101, 100)]).toEqual(["late", "soon", "later"])
})

test("the clock has milliseconds, a moment in full has none", () => {
  const at = Date.UTC(2026, 0, 1, 1, 2, 3, 45)
  expect(clock(at, "UTC")).toBe("01:02:03.045")
  expect(absolute(at, "UTC")).toBe("1 Jan 2026, 01:02:03")
  expect(Date.parse(absolute(at, "local"))).toBe(at - 45)
})
