import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import type { Definition } from "@/api/definitions"
import { type Figures, may, meOptions, metricsOptions } from "@/api/operations"
import { tasksOptions } from "@/api/tasks"
import { span } from "@/lib/time"
import { useChanges } from "@/live/changes"
import { Facts } from "@/parts/Facts"
import { Moment } from "@/parts/Moment"
import { TaskState } from "@/parts/StateMark"
import { task as t } from "@/texts/tasks"

const LATEST = 10

/** What is known of a definition, and its latest runs. */
export function TaskFacts({ definition }: { definition: Definition }) {
  const { data: me } = useQuery(meOptions)
  const { data: metrics } = useQuery({ ...metricsOptions, enabled: may(me, "tasks:read", "queues:manage") })
  const figures = metrics?.definitions[definition.key] as unknown as Figures | undefined
  const { timeout, retryPolicy, maxConcurrent, rateLimit, priority, tags } = definition
  return (
    <div className="stack">
      <section className="sheet">
        <div className="sheet-head">
          <h2>{t.about}</h2>
        </div>
        <div className="sheet-body">
          <Facts
            of={[
              [t.facts.key, definition.key],
              [t.facts.version, `${definition.number} · ${definition.version}`],
              [t.facts.kind, definition.implementation.kind as string],
              [t.facts.type, definition.taskType.toLowerCase()],
              [t.facts.timeout, timeout === null ? null : span(timeout * 1000)],
              [t.facts.retries, retryPolicy?.maxRetries ?? null],
              [t.facts.concurrent, maxConcurrent],
              [t.facts.rate, rateLimit],
              [t.facts.priority, priority],
              [t.facts.p50, figures?.executionTime.p50 == null ? null : span(figures.executionTime.p50)],
              [t.facts.p95, figures?.executionTime.p95 == null ? null : span(figures.executionTime.p95)],
              [t.facts.errors, figures && `${(figures.errorRate * 100).toFixed(1)} %`],
              [t.facts.tags, tags.join(", ")],
            ]}
          />
        </div>
      </section>
      <Recent definitionKey={definition.key} />
    </div>
  )
}

function Recent({ definitionKey }: { definitionKey: string }) {
  const client = useQueryClient()
  const options = tasksOptions({ definition: definitionKey, limit: LATEST })
  const { data } = useInfiniteQuery(options)
  useChanges(() => client.invalidateQueries({ queryKey: options.queryKey }))
  const runs = data?.pages.flatMap(page => page.items) ?? []
  return (
    <section className="sheet">
      <div className="sheet-head">
        <h2>{t.recent}</h2>
        <span className="spring" />
        <Link to="/run" search={{ q: `task:${definitionKey}` }}>
          {t.allRuns}
        </Link>
      </div>
      {runs.length === 0 ? (
        <p className="quiet padded">{t.noRuns}</p>
      ) : (
        <ul className="recent">
          {runs.map(run => (
            <li key={run.taskId}>
              <TaskState task={run} />
              <Link className="id" to="/run/$taskId" params={{ taskId: run.taskId }}>
                {run.taskId}
              </Link>
              <span className="spring" />
              <span className="number quiet">{span(run.executionTime)}</span>
              <span className="number quiet">
                <Moment at={run.createdAt} />
              </span>
              <Link
                to="/task/$key"
                params={{ key: definitionKey }}
                search={{ from: run.taskId }}
                aria-label={`${t.fillFrom} ${run.taskId}`}
              >
                {t.fillFrom}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
