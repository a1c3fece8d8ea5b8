import { expect, test } from "vitest"
import { COMMANDS, python } from "./commands"

const text = (name: string) =>
  COMMANDS.find(command => command.name === name)?.text("a b", { who: "it's" }, "http://x") ?? ""

test("a quote in the input does not end the shell's word", () => {
  expect(text("CLI")).toBe(`taskyard run 'a b' --input '{"who":"it'\\''s"}'`)
  expect(text("curl")).toContain("http://x/admin/task/a%20b/start")
})

test("a link holds what is plain", () => {
  const input = { name: "a b", keep: 12345678901234567890n, on: true, tags: ["x"] }
  const made = COMMANDS.find(command => command.name === "link")?.text("back/up", input, "http://x")
  expect(made).toBe("http://x/admin/task/back%2Fup?in.name=a+b&in.keep=12345678901234567890&in.on=true")
})

test("JSON becomes Python", () => {
  expect(python({ a: [true, null, 1.5, "x\n"], b: {} })).toBe('{"a": [True, None, 1.5, "x\\n"], "b": {}}')
})
