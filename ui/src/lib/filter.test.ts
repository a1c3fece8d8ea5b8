import { expect, test } from "vitest"
import { complete, parseFilter, suggestions, termOf, withTerm } from "./filter"

const NOW = Date.UTC(2026, 0, 2)

test("keys and free words become the server's query", () => {
  const { query, problems } = parseFilter(
    'state:failed,running task:db-backup tag:"two words" weekly report',
    NOW,
  )
  expect(problems).toEqual([])
  expect(query).toEqual({
    status: ["FAILED", "RUNNING"],
    definition: "db-backup",
    tag: "two words",
    q: "weekly report",
  })
})

test("ages count from now", () => {
  expect(parseFilter("age:<24h", NOW).query).toEqual({ createdAfter: "2026-01-01T00:00:00.000Z" })
  expect(parseFilter("age:>1d", NOW).query).toEqual({ createdBefore: "2026-01-01T00:00:00.000Z" })
})

test.each(["stat:failed", "state:broken", "age:2h", "type:magic", "parent:x"])("%s is explained", text => {
  const { problems, query } = parseFilter(`tag:a ${text}`, NOW)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatchObject({ start: 6, end: 6 + text.length })
  expect(query).toEqual({ tag: "a" })
})

test("a term is put in, changed and taken out; the rest stays as it is written", () => {
  expect(withTerm('tag:"a b" x', "state", "failed")).toBe('state:failed tag:"a b" x')
  expect(withTerm("state:failed x", "state", null)).toBe("x")
  expect(termOf('task:"a b" state:failed', "task")).toBe("a b")
})

test("any text can be read", () => {
  for (const text of ["", '"', ":", "a:", '"\\', "::::", 'task:"', "  ", "-x"]) {
    expect(() => parseFilter(text, NOW)).not.toThrow()
  }
})

test("suggestions continue the last word", () => {
  expect(suggestions("x st", {})).toEqual(["state:"])
  expect(suggestions("state:f", {})).toEqual(["state:failed"])
  expect(suggestions("task:b", { task: ["backup", "other"] })).toEqual(["task:backup"])
  expect(complete("x st", "state:")).toBe("x state:")
  expect(complete("state:f", "state:failed")).toBe("state:failed ")
})
