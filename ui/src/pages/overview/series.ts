import type { Schemas } from "@/api/client"
import type { State } from "@/lib/state"
import { span } from "@/lib/time"
import { overview } from "@/texts/overview"
import type { ChartGiven } from "./Plot"

export type Stretches = Schemas["Stretches"]

const t = overview.charts
const MINUTE = 60

/** The three charts of a history. Where nothing ended there is a gap, and no zero. */
export function seriesOf({ items, step }: Stretches): ChartGiven[] {
  const times = items.map(each => Date.parse(each.at) / 1000)
  const perMinute = (count: number) => (count * MINUTE) / step
  const line = (label: string, state: State, values: (number | null)[], dash: number[] = []) => ({
    label,
    state,
    values,
    dash,
  })
  return [
    {
      title: t.ended,
      times,
      tell: value => (value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 1 })),
      series: [
        line(
          t.ok,
          "succeeded",
          items.map(each => perMinute(each.completed)),
        ),
        line(
          t.failed,
          "failed",
          items.map(each => perMinute(each.failed)),
          [6, 4],
        ),
        line(
          t.retried,
          "retrying",
          items.map(each => perMinute(each.retried)),
          [2, 3],
        ),
      ],
    },
    {
      title: t.times,
      times,
      tell: value => span(value),
      series: [
        line(
          "p50",
          "running",
          items.map(each => each.p50),
        ),
        line(
          "p95",
          "scheduled",
          items.map(each => each.p95),
          [6, 4],
        ),
        line(
          "p99",
          "waiting",
          items.map(each => each.p99),
          [2, 3],
        ),
      ],
    },
    {
      title: t.share,
      times,
      tell: value => (value === null ? "–" : `${value.toFixed(1)} %`),
      series: [line(t.failed, "failed", items.map(shareOf))],
    },
  ]
}

function shareOf({ completed, failed }: Stretches["items"][number]): number | null {
  return completed + failed === 0 ? null : (100 * failed) / (completed + failed)
}
