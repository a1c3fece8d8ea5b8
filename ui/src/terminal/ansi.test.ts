import { expect, test } from "vitest"
import { parseAnsi, plain } from "./ansi"

const ESC = "\u001b"

test("colours and marks hold until they are taken back", () => {
  expect(parseAnsi(`a${ESC}[1;31mb${ESC}[22mc${ESC}[0md`)).toEqual([
    { text: "a", classes: "" },
    { text: "b", classes: "ansi-bold ansi-1" },
    { text: "c", classes: "ansi-1" },
    { text: "d", classes: "" },
  ])
})

test("of many colours the nearest of the theme is taken", () => {
  expect(parseAnsi(`${ESC}[38;5;196mx`)[0]?.classes).toBe("ansi-9")
  expect(parseAnsi(`${ESC}[38;2;0;120;0mx`)[0]?.classes).toBe("ansi-2")
  expect(parseAnsi(`${ESC}[48;5;4mx`)[0]?.classes).toBe("ansi-on-4")
})

test("everything else is dropped", () => {
  const text = `${ESC}]0;title\u0007a${ESC}[2Jb${ESC}[10;10Hc\u0000\rd`
  expect(plain(text)).toBe("abcd")
  expect(
    parseAnsi(text)
      .map(run => run.text)
      .join(""),
  ).toBe("abcd")
})

test("broken escapes cost nothing but themselves", () => {
  for (const text of [`${ESC}[`, `${ESC}`, `${ESC}[38;5m`, `${ESC}[999999m`, `${ESC}]8;;http://x`]) {
    expect(() => parseAnsi(text)).not.toThrow()
  }
})
