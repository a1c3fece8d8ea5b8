import { expect, test } from "vitest"
import { csv } from "./csv"

test("cells are quoted where they have to be, and formulas are text", () => {
  expect(
    csv([
      { a: 'x "y"', b: "1,2" },
      { a: "=1+1", c: "@x" },
    ]),
  ).toBe('a,b,c\r\n"x ""y""","1,2",\r\n\'=1+1,,\'@x\r\n')
})
