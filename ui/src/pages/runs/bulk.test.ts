import { expect, test } from "vitest"
import type { cancelMany, Many } from "@/api/tasks"
import { doAll, everything, look } from "./bulk"

/** A server with so many runs, of which every tenth is over. */
function server(count: number) {
  const asked: Many[] = []
  const act = async (body: Many) => {
    asked.push(body)
    const from = Number(body.cursor ?? 0)
    const size = body.taskIds?.length ?? Math.min(500, count - from)
    const kept = Math.floor(size / 10)
    return {
      taskIds: Array.from({ length: size - kept }, (_, k) => String(k)),
      kept: { COMPLETED: kept },
      nextCursor: body.filter && from + size < count ? String(from + size) : null,
    }
  }
  return { asked, act: act as unknown as typeof cancelMany }
}

test("a selection of any size goes in portions", async () => {
  const { asked, act } = server(0)
  const told: number[] = []
  const total = await doAll(act, { taskIds: Array.from({ length: 1200 }, String) }, n => void told.push(n))
  expect(total).toEqual({ changed: 1080, kept: { COMPLETED: 120 }, isAll: true })
  expect(asked.map(body => body.taskIds?.length)).toEqual([500, 500, 200])
  expect(told).toEqual([500, 1000, 1200])
})

test("a filter is followed to its end, and a look stops where it has counted enough", async () => {
  const { asked, act } = server(30_000)
  const target = everything({ status: ["RUNNING"], limit: 100 }, Date.parse("2026-01-02T03:04:05Z"))
  expect(target).toEqual({ filter: { status: ["RUNNING"], createdBefore: "2026-01-02T03:04:05.000Z" } })
  expect(await look(act, target)).toMatchObject({ changed: 9_000, isAll: false })
  expect(asked.every(body => body.dryRun)).toBe(true)
  expect((await doAll(act, target, () => undefined)).changed).toBe(27_000)
})

test("what was made after a filter's own end stays out", () => {
  const target = everything({ createdBefore: "2025-01-01T00:00:00.000Z" }, Date.parse("2026-01-01T00:00:00Z"))
  expect(target).toEqual({ filter: { createdBefore: "2025-01-01T00:00:00.000Z" } })
})
