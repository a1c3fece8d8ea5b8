import { useQuery } from "@tanstack/react-query"
import { useMemo } from "react"
import { type HistoryRange, historyOptions } from "@/api/operations"
import { useSearchText } from "@/lib/useSearchText"
import { Chip } from "@/parts/Button"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { overview } from "@/texts/overview"
import { type ChartGiven, Plot } from "./Plot"
import { type Stretches, seriesOf } from "./series"

const t = overview.charts
const RANGES = Object.keys(t.ranges) as HistoryRange[]

/** How it went over time: what ended, how long it ran, which part failed. */
export default function Charts() {
  const [search, setSearch] = useSearchText()
  const range = RANGES.find(each => each === search.range) ?? "1h"
  const history = useQuery({ ...historyOptions(range), placeholderData: old => old })
  return (
    <div className="stack">
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would be framed */}
      <div className="chips" role="group" aria-label={t.range}>
        {RANGES.map(each => (
          <Chip key={each} isOn={each === range} onClick={() => setSearch({ range: each })}>
            {t.ranges[each]}
          </Chip>
        ))}
      </div>
      <Loaded from={history}>{data => <Plots of={data} />}</Loaded>
    </div>
  )
}

function Plots({ of }: { of: Stretches }) {
  const charts = useMemo(() => seriesOf(of), [of])
  if (of.items.every(each => each.completed + each.failed + each.retried === 0))
    return <p className="quiet">{t.nothing}</p>
  return (
    <div className="charts">
      {charts.map(chart => (
        <Chart key={chart.title} chart={chart} />
      ))}
    </div>
  )
}

/** A chart, with its values as a table for who cannot see it. */
function Chart({ chart }: { chart: ChartGiven }) {
  const { title, times, series, tell } = chart
  const latest = series.map(each => `${each.label} ${tell(each.values.at(-1) ?? null)}`).join(", ")
  return (
    <section className="sheet chart">
      <h2>{title}</h2>
      <div role="img" aria-label={t.now(title, latest)}>
        <Plot {...chart} />
      </div>
      <details>
        <summary className="quiet">{t.asTable}</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reachable by keyboard */}
        <section className="chart-table scrolls" aria-label={title} tabIndex={0}>
          <Ledger flat heads={[t.time, ...series.map(({ label }) => ({ right: label }))]}>
            {times.map((at, k) => (
              <tr key={at}>
                <td className="number">{new Date(at * 1000).toLocaleTimeString("en-GB")}</td>
                {series.map(each => (
                  <td key={each.label} className="number right">
                    {tell(each.values[k] ?? null)}
                  </td>
                ))}
              </tr>
            ))}
          </Ledger>
        </section>
      </details>
    </section>
  )
}
