import { expect, test } from "vitest"
import { counted } from "./number"

test.each([
  [0, "0"],
  [999, "999"],
  [1_000, "1,000"],
  [-1_234_567, "-1,234,567"],
])("%s is %s", (count, text) => {
  expect(counted(count)).toBe(text)
})
