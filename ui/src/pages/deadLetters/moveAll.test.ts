import { expect, test } from "vitest"
import type { Requeue } from "@/api/deadLetters"
import { moveAll } from "./moveAll"

/** A server with so many pages of two dead letters each. */
function server(pages: number) {
  const asked: Requeue[] = []
  const act = async (body: Requeue) => {
    asked.push(body)
    const isLast = asked.length === pages
    return { taskIds: ["1", "2"], complete: isLast, nextCursor: isLast ? null : String(asked.length) }
  }
  return { asked, act }
}

test("all that are meant are moved, page after page", async () => {
  const { asked, act } = server(3)
  expect(await moveAll(act, { fingerprint: "f" })).toBe(6)
  expect(asked).toEqual([
    { fingerprint: "f" },
    { fingerprint: "f", cursor: "1" },
    { fingerprint: "f", cursor: "2" },
  ])
})

test("what goes at a rate goes on at it", async () => {
  const { asked, act } = server(3)
  await moveAll(act, { fingerprint: "f", ratePerSecond: 0.5 })
  expect(asked.map(({ cursor, delay }) => [cursor, delay])).toEqual([
    [undefined, undefined],
    ["1", 4],
    ["2", 8],
  ])
})
