import { Link } from "@tanstack/react-router"
import type { TaskEvent } from "@/api/tasks"
import { stringifyJson } from "@/lib/json"
import { useSearchText } from "@/lib/useSearchText"
import { Empty } from "@/parts/Empty"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Instant } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { events as t } from "@/texts/events"
import { useFeed } from "./useFeed"

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
        {feed.skipped > 0 && <p className="note">{t.skipped(feed.skipped)}</p>}
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
      <Ledger heads={[t.columns.at, t.columns.type, t.columns.task, t.columns.data]}>
        {shown.map(event => (
          <EventRow key={event.id} event={event} />
        ))}
      </Ledger>
    </div>
  )
}

function EventRow({ event }: { event: TaskEvent }) {
  const { taskId } = event.data as { taskId: string }
  return (
    <tr>
      <td className="number">
        <Instant at={event.timestamp} />
      </td>
      <td className="id">{event.type}</td>
      <td>
        <Link className="id" to="/run/$taskId" params={{ taskId }}>
          {taskId}
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
