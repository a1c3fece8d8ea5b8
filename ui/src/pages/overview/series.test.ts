import { expect, test } from "vitest"
import { type Stretches, seriesOf } from "./series"

const stretch = (completed: number, failed: number, p50: number | null = null) => ({
  at: "2026-01-01T00:00:00.000Z",
  completed,
  failed,
  retried: 0,
  p50,
  p95: p50,
  p99: p50,
})

test("counts are per minute, and nothing is no share", () => {
  const [ended, times, share] = seriesOf({ items: [stretch(3, 1, 20), stretch(0, 0)], step: 10 } as Stretches)
  expect(ended?.series.map(each => each.values)).toEqual([
    [18, 0],
    [6, 0],
    [0, 0],
  ])
  expect(times?.series[0]?.values).toEqual([20, null])
  expect(share?.series[0]?.values).toEqual([25, null])
  expect(share?.tell(null)).toBe("–")
})
