import { useQuery, useQueryClient } from "@tanstack/react-query"
import { Link, Navigate } from "@tanstack/react-router"
import { lazy, Suspense } from "react"
import { errorsOptions } from "@/api/errors"
import { type Figures, type Metrics, may, meOptions, metricsOptions } from "@/api/operations"
import type { Status } from "@/api/tasks"
import { type State, stateOf } from "@/lib/state"
import { span } from "@/lib/time"
import { SPARING, useChanges } from "@/live/changes"
import { Empty, Skeleton } from "@/parts/Empty"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { StateMark } from "@/parts/StateMark"
import { placesFor } from "@/shell/places"
import { overview as t } from "@/texts/overview"
import { queues as queueTexts } from "@/texts/queues"
import "./overview.css"
import { counted } from "@/lib/number"

const SHOWN: State[] = ["running", "queued", "retrying", "assigned", "failed", "succeeded"]
const MOST_FAILURES = 6
const FIGURES = ["done", "failed", "rate", "p50", "p95", "p99"] as const

const Charts = lazy(() => import("./Charts"))

interface Breaker {
  state: string
  failureRate: number
}

/** How it goes: counts, queues, the tasks that fail, and what is called. */
export function OverviewPage() {
  const { data: me } = useQuery(meOptions)
  const maySee = may(me, "tasks:read", "queues:manage")
  const metrics = useQuery({ ...metricsOptions, enabled: maySee })
  if (me && !maySee) return <Navigate to={placesFor(me)[0]?.to ?? "/settings"} replace />
  return (
    <Page
      title={t.title}
      about={
        metrics.data &&
        `${t.about} ${metrics.data.workers.length ? t.workers(metrics.data.workers.length) : ""}`
      }
    >
      <Loaded from={metrics}>{data => <Figures24 metrics={data} />}</Loaded>
    </Page>
  )
}

function Figures24({ metrics }: { metrics: Metrics }) {
  const definitions = Object.entries(metrics.definitions as unknown as Record<string, Figures>)
  const dependencies = Object.entries(metrics.dependencies as unknown as Record<string, Breaker>)
  return (
    <div className="stack">
      {metrics.workers.length === 0 && <p className="note warns">{t.noWorkers}</p>}
      <Counts definitions={definitions} />
      <Suspense fallback={<Skeleton rows={4} />}>
        <Charts />
      </Suspense>
      <div className="columns">
        <QueueSheet metrics={metrics} />
        <Failures />
      </div>
      {definitions.length === 0 ? (
        <Empty title={t.nothing}>
          <Link to="/task">{t.seeTasks}</Link>
        </Empty>
      ) : (
        <ByTask definitions={definitions} />
      )}
      {dependencies.length > 0 && <Dependencies of={dependencies} />}
    </div>
  )
}

function Counts({ definitions }: { definitions: [string, Figures][] }) {
  const counts = new Map<State, number>()
  for (const [, figures] of definitions) {
    for (const [status, count] of Object.entries(figures.counts)) {
      const state = stateOf(status as Status)
      counts.set(state, (counts.get(state) ?? 0) + (count ?? 0))
    }
  }
  return (
    <ul className="counts sheet" aria-label={t.counts}>
      {SHOWN.map(state => (
        <li key={state}>
          <Link to="/run" search={{ q: `state:${state}` }}>
            <StateMark state={state} />
            <span className={`count st-${state}`}>{counted(counts.get(state) ?? 0)}</span>
          </Link>
        </li>
      ))}
    </ul>
  )
}

function QueueSheet({ metrics }: { metrics: Metrics }) {
  const queues = Object.entries(
    metrics.queues as unknown as Record<
      string,
      { depth: number; oldestAge: number | null; inFlight: number }
    >,
  )
  return (
    <section className="sheet">
      <div className="sheet-head">
        <h2>{t.queues}</h2>
      </div>
      <Ledger
        flat
        heads={[
          queueTexts.columns.name,
          { right: t.waiting },
          { right: queueTexts.columns.inFlight },
          { right: t.oldest },
        ]}
      >
        {queues.map(([name, { depth, oldestAge, inFlight }]) => (
          <tr key={name}>
            <td>{queueTexts.names[name] ?? name}</td>
            <td className="number right">{counted(depth)}</td>
            <td className="number right">{counted(inFlight)}</td>
            <td className="number right">{oldestAge === null ? "–" : span(oldestAge * 1000)}</td>
          </tr>
        ))}
      </Ledger>
    </section>
  )
}

function Failures() {
  const client = useQueryClient()
  const options = errorsOptions({ hours: 24 })
  const { data } = useQuery(options)
  useChanges(() => client.invalidateQueries({ queryKey: options.queryKey }), false, SPARING)
  const groups = (data?.items ?? []).slice(0, MOST_FAILURES)
  return (
    <section className="sheet">
      <div className="sheet-head">
        <h2>{t.failures}</h2>
        <span className="spring" />
        <Link to="/error">{t.allErrors}</Link>
      </div>
      {groups.length === 0 ? (
        <p className="quiet padded">{t.noFailures}</p>
      ) : (
        <ul className="failures">
          {groups.map(group => (
            <li key={group.fingerprint}>
              <Link to="/error" search={{ at: group.fingerprint }}>
                {group.title}
              </Link>
              <strong className="number st-dead">{group.code}</strong>
              <span className="number">{counted(group.count)}×</span>
              <span className="spring" />
              <span className="quiet">
                <Moment at={group.lastAt} />
              </span>
              <p className="quiet">{group.message}</p>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function ByTask({ definitions }: { definitions: [string, Figures][] }) {
  const sorted = [...definitions].sort(([, a], [, b]) => b.errorRate - a.errorRate)
  return (
    <section className="sheet scrolls">
      <div className="sheet-head">
        <h2>{t.byTask}</h2>
      </div>
      <Ledger heads={[t.columns.task, ...FIGURES.map(column => ({ right: t.columns[column] }))]}>
        {sorted.map(([key, { counts, errorRate, executionTime }]) => (
          <tr key={key}>
            <td className="wide">
              <Link className="title" to="/task/$key" params={{ key }}>
                {key}
              </Link>
            </td>
            <td className="number right">{counts.COMPLETED ?? 0}</td>
            <td className="number right">{counts.FAILED ?? 0}</td>
            <td className={errorRate ? "number right st-failed" : "number right"}>
              {(errorRate * 100).toFixed(1)} %
            </td>
            <td className="number right">{span(executionTime.p50)}</td>
            <td className="number right less">{span(executionTime.p95)}</td>
            <td className="number right less">{span(executionTime.p99)}</td>
          </tr>
        ))}
      </Ledger>
    </section>
  )
}

function Dependencies({ of }: { of: [string, Breaker][] }) {
  return (
    <section className="sheet">
      <div className="sheet-head">
        <h2>{t.dependencies}</h2>
      </div>
      <ul className="failures">
        {of.map(([name, { state, failureRate }]) => (
          <li key={name}>
            <span className="id">{name}</span>
            <span className="spring" />
            <strong className={state === "closed" ? "st-succeeded" : "st-failed"}>
              {t.breaker[state] ?? state}
            </strong>
            {failureRate > 0 && <span className="number quiet">{t.share(failureRate)}</span>}
          </li>
        ))}
      </ul>
    </section>
  )
}
