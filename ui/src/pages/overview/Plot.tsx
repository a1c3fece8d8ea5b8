import { useEffect, useRef, useSyncExternalStore } from "react"
import uPlot from "uplot"
import { usePrefs } from "@/lib/prefs"
import type { State } from "@/lib/state"
import { overview } from "@/texts/overview"

/** A line of a chart; `state` gives its colour, and `dash` tells it apart without one. */
interface Series {
  label: string
  state: State
  values: (number | null)[]
  dash: number[]
}

/** What a chart shows: values at `times`, in seconds; `tell` writes one. */
export interface ChartGiven {
  title: string
  times: number[]
  series: Series[]
  tell: (value: number | null) => string
}

const HEIGHT = 170
const LETTER = 6.5
const SYNC = "overview"
const DAY = 86_400

/** Whether the system is dark, which changes with the time of day while somebody looks on. */
const SYSTEM = matchMedia("(prefers-color-scheme: dark)")

function onSystem(told: () => void): () => void {
  SYSTEM.addEventListener("change", told)
  return () => SYSTEM.removeEventListener("change", told)
}

/** The lines, drawn; dragging zooms, and one cursor goes over all charts. */
export function Plot({ times, series, tell }: Omit<ChartGiven, "title">) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const { theme } = usePrefs()
  const isDark = useSyncExternalStore(onSystem, () => SYSTEM.matches)
  const labels = series.map(each => each.label).join()
  // biome-ignore lint/correctness/useExhaustiveDependencies: its values are given to it as they come
  useEffect(() => {
    const element = box.current
    if (!element) return
    const made = new uPlot(optionsOf(element, series, tell), dataOf(times, series), element)
    plot.current = made
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }))
    watcher.observe(element)
    return () => {
      watcher.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [labels, theme, isDark])
  useEffect(() => plot.current?.setData(dataOf(times, series)), [times, series])
  return <div ref={box} className="plot" />
}

const dataOf = (times: number[], series: Series[]): uPlot.AlignedData => [
  times,
  ...series.map(each => each.values),
]

/** Room for the longest label beside the lines. */
const widthFor = (_: uPlot, labels: string[] | null) =>
  Math.max(64, 20 + LETTER * Math.max(0, ...(labels ?? []).map(label => label.length)))

/** The legend has the latest values while nothing is pointed at. */
const tellLatest = (plot: uPlot) => plot.setLegend({ idx: plot.data[0].length - 1 })

/** Times of day; of several days with the day. */
function tellTimes(_: uPlot, times: number[]): string[] {
  const isLong = (times.at(-1) ?? 0) - (times[0] ?? 0) > DAY
  const format = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(isLong && { day: "numeric", month: "short" }),
  })
  return times.map(at => format.format(at * 1000))
}

function optionsOf(box: HTMLElement, series: Series[], tell: ChartGiven["tell"]): uPlot.Options {
  const ink = colourOf(box, "--ink-2")
  const line = colourOf(box, "--line")
  const font = `12px ${getComputedStyle(box).fontFamily}`
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } }
  return {
    width: box.clientWidth,
    height: HEIGHT,
    hooks: { ready: [tellLatest], setData: [tellLatest] },
    cursor: { sync: { key: SYNC } },
    scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [
      { ...axis, values: tellTimes, space: 90 },
      { ...axis, size: widthFor, values: (_, values) => values.map(value => tell(value)) },
    ],
    series: [
      {
        label: overview.charts.time,
        value: (plot, at: number | null) => (at === null ? "–" : (tellTimes(plot, [at])[0] ?? "")),
      },
      ...series.map(each => ({
        label: each.label,
        stroke: colourOf(box, `--st-${each.state}`),
        width: 2,
        dash: each.dash,
        points: { show: false, filter: standAlone, size: 4 },
        value: (_: uPlot, value: number | null) => tell(value),
      })),
    ],
  }
}

/** The places of values with none beside them, of which no line would tell. */
function standAlone(plot: uPlot, series: number): number[] | null {
  const values = plot.data[series] ?? []
  const has = (k: number) => typeof values[k] === "number"
  return [...values.keys()].filter(k => has(k) && !has(k - 1) && !has(k + 1))
}

/** A colour of the theme as the canvas understands it. */
function colourOf(box: HTMLElement, name: string): string {
  const probe = document.createElement("i")
  probe.style.color = `var(${name})`
  box.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
