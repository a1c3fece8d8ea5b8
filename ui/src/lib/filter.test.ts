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

test("run times are seconds, errors and workers texts", () => {
  expect(parseFilter("took:>1.5m error:TIMEOUT worker:a-1", NOW).query).toEqual({
    tookFrom: 90,
    error: "TIMEOUT",
    worker: "a-1",
  })
  expect(parseFilter("took:<100ms", NOW).query).toEqual({ tookBelow: 0.1 })
})

test("queues, priorities, attempts, who asked and traces are told as the server knows them", () => {
  const text = `queue:retry,task-execution-manual priority:high,low attempt:>=2 actor:ann trace:${"0a".repeat(16)}`
  expect(parseFilter(text, NOW)).toEqual({
    problems: [],
    query: {
      queue: ["task-execution-retry", "task-execution-manual"],
      priority: ["HIGH", "LOW"],
      attempts: 2,
      askedBy: "ann",
      traceId: "0a".repeat(16),
    },
  })
  expect(parseFilter("attempt:>2", NOW).query).toEqual({ attempts: 3 })
})

test.each([
  "queue:none",
  "priority:urgent",
  "attempt:<2",
  "attempt:0",
  "trace:x",
  "stat:failed",
  "state:broken",
  "state:constructor",
  "constructor:x",
  "age:2h",
  "took:5s",
  "took:>5",
  "type:magic",
  "parent:x",
  "state:dead",
  "state:scheduled",
  "tag:b",
])("%s is explained", text => {
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

test.each(["a b", 'say "no"', "C:\\temp x", '"', "", "line\nbreak", "a:b", "plain"])(
  "a term with the value %j is read as it was put in",
  value => {
    const text = withTerm(withTerm("x", "error", value), "task", "a")
    expect(parseFilter(text, NOW)).toEqual({ query: { definition: "a", error: value, q: "x" }, problems: [] })
  },
)

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
