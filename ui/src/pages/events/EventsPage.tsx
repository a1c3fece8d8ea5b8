import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useRef, useState } from "react"
import { readFeed } from "@/api/events"
import type { TaskEvent } from "@/api/tasks"
import { stringifyJson } from "@/lib/json"
import { useSearchText } from "@/lib/useSearchText"
import { usePaused } from "@/live/changes"
import { Empty } from "@/parts/Empty"
import { Loaded } from "@/parts/Loaded"
import { Instant } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { events as t } from "@/texts/events"

const KEPT = 500
const AT_ONCE = 200
const LOOK_EVERY = 1_000

/** The feed of all events as it grows; the latest 500 are kept here. */
export function EventsPage() {
  const [search, setSearch] = useSearchText()
  const feed = useFeed()
  const text = (search.q ?? "").toLowerCase()
  return (
    <Page title={t.title} about={t.about}>
      <div className="stack">
        <div className="filter">
          <input
            className="field"
            type="search"
            data-filter
            aria-label={t.filter}
            placeholder={t.placeholder}
            value={search.q ?? ""}
            onChange={event => setSearch({ q: event.target.value })}
          />
        </div>
        <Loaded from={feed}>{all => <Feed all={all} text={text} />}</Loaded>
      </div>
    </Page>
  )
}

function Feed({ all, text }: { all: TaskEvent[]; text: string }) {
  const shown = text
    ? all.filter(event => `${event.type} ${stringifyJson(event.data)}`.toLowerCase().includes(text))
    : all
  if (shown.length === 0) {
    return all.length ? (
      <Empty title={t.noneFits} />
    ) : (
      <Empty title={t.none}>
        <p>{t.noneHelp}</p>
      </Empty>
    )
  }
  return (
    <div className="sheet scrolls">
      <table className="ledger folds">
        <thead>
          <tr>
            <th scope="col">{t.columns.at}</th>
            <th scope="col">{t.columns.type}</th>
            <th scope="col">{t.columns.task}</th>
            <th scope="col">{t.columns.data}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(event => (
            <EventRow key={event.id} event={event} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function EventRow({ event }: { event: TaskEvent }) {
  const { taskId, taskDefinitionId } = event.data as { taskId: string; taskDefinitionId?: string }
  return (
    <tr>
      <td className="number">
        <Instant at={event.timestamp} />
      </td>
      <td className="id">{event.type}</td>
      <td>
        <Link to="/run/$taskId" params={{ taskId }}>
          {taskDefinitionId ?? taskId}
        </Link>
      </td>
      <td className="wide">
        <details>
          <summary className="quiet">{event.metadata.correlationId}</summary>
          <pre className="raw">{stringifyJson(event, 2)}</pre>
        </details>
      </td>
    </tr>
  )
}

/** The latest events, the newest first; asked for from where it ended before. */
function useFeed() {
  const position = useRef("0")
  const [kept, setKept] = useState<TaskEvent[]>([])
  const isPaused = usePaused()
  const feed = useQuery({
    queryKey: ["feed"],
    queryFn: async ({ signal }) => {
      const found: TaskEvent[] = []
      for (;;) {
        const page = await readFeed(position.current, AT_ONCE, signal)
        found.push(...page.items)
        position.current = page.position
        if (!page.nextCursor) break
      }
      setKept(old => [...found.reverse(), ...old].slice(0, KEPT))
      return position.current
    },
    refetchInterval: isPaused ? false : LOOK_EVERY,
    gcTime: 0,
  })
  return { ...feed, data: feed.data === undefined ? undefined : kept }
}
