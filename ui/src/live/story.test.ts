import { expect, test } from "vitest"
import type { Message } from "./messages"
import { Story } from "./story"

const log = (sequence: number, text = "x"): Message => ({
  type: "log",
  sequence,
  at: "2026-01-01T00:00:00Z",
  level: "info",
  text,
})

test("a message of several lines is several lines, and skipped ones are counted", () => {
  const story = new Story()
  story.take([log(1, "a\nb"), { type: "gap", sequence: 2, at: "", skipped: 10 }, log(3, "c")])
  story.tell(false)
  expect(story.lines.map(line => [line.number, line.text])).toEqual([
    [1, "a"],
    [2, "b"],
    [13, "c"],
  ])
  expect(story.skipped).toBe(10)
})

test("only so many lines are kept", () => {
  const story = new Story()
  story.take(Array.from({ length: 100_001 }, (_, k) => log(k)))
  story.tell(true)
  expect([story.lines.length, story.skipped, story.lines[0]?.number]).toEqual([90_000, 10_001, 10_002])
})

test("listeners look when they are told to, until they leave", () => {
  const story = new Story()
  let count = 0
  const leave = story.subscribe(() => count++)
  expect([story.take([log(1), log(2, "a\nb")]), story.lines.length, count]).toEqual([3, 0, 0])
  story.tell(true)
  leave()
  story.tell(false)
  expect([count, story.version, story.isFlood]).toEqual([1, 2, false])
})
