import { useQuery } from "@tanstack/react-query"
import { type Figures, type Metrics, may, meOptions, metricsOptions } from "@/api/operations"
import type { Status } from "@/api/tasks"
import { termOf, withTerm } from "@/lib/filter"
import { type State, stateOf } from "@/lib/state"
import { Chip } from "@/parts/Button"
import { StateMark } from "@/parts/StateMark"
import { runs as t } from "@/texts/runs"

const SHOWN: State[] = [
  "running",
  "queued",
  "retrying",
  "assigned",
  "waiting",
  "failed",
  "succeeded",
  "cancelled",
]

interface Given {
  text: string
  definition: string | null | undefined
  onText: (text: string) => void
}

/** The states with how many tasks of the last 24 hours are in each; of one task, if the filter names one. */
export function StateChips({ text, definition, onText }: Given) {
  const { data: me } = useQuery(meOptions)
  const { data: metrics } = useQuery({ ...metricsOptions, enabled: may(me, "tasks:read", "queues:manage") })
  const counts = metrics && countsOf(metrics, definition ?? null)
  const chosen = termOf(text, "state")?.split(",") ?? []
  const toggle = (state: State) => {
    const next = chosen.includes(state) ? chosen.filter(each => each !== state) : [...chosen, state]
    onText(withTerm(text, "state", next.length ? next.join(",") : null))
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would be framed
    <div className="chips" role="group" aria-label={t.states}>
      {SHOWN.map(state => (
        <Chip
          key={state}
          isOn={chosen.includes(state)}
          count={counts?.get(state)}
          onClick={() => toggle(state)}
        >
          <StateMark state={state} />
        </Chip>
      ))}
    </div>
  )
}

function countsOf(metrics: Metrics, definition: string | null): Map<State, number> {
  const all = metrics.definitions as unknown as Record<string, Figures>
  const wanted = definition === null ? Object.values(all) : [all[definition]]
  const counts = new Map<State, number>()
  for (const figures of wanted) {
    for (const [status, count] of Object.entries(figures?.counts ?? {})) {
      const state = stateOf(status as Status)
      counts.set(state, (counts.get(state) ?? 0) + (count ?? 0))
    }
  }
  return counts
}
