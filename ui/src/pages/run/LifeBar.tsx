import { useQuery } from "@tanstack/react-query"
import { attemptsOptions, type Task } from "@/api/tasks"
import { span } from "@/lib/time"
import { useNow } from "@/lib/useNow"
import { run as t } from "@/texts/run"
import { states } from "@/texts/states"
import { lifeOf, type Stretch } from "./life"

const SHORTEST = 0.02

/** A run's life as a bar: hatched where it waited, solid where it was tried, thin between tries. */
export function LifeBar({ task }: { task: Task }) {
  const now = useNow()
  const { data: attempts } = useQuery(attemptsOptions(task.taskId))
  const stretches = lifeOf(task, attempts?.items ?? [], now)
  const whole = stretches.reduce((sum, each) => sum + each.ms, 0) || 1
  return (
    <ol className="life" aria-label={t.life.label}>
      {stretches.map(each => (
        <li
          key={`${each.kind}${each.attempt}`}
          className={`life-${each.kind} ${each.kind === "attempt" ? `st-${each.state}` : ""}`}
          style={{ flexGrow: Math.max(SHORTEST, each.ms / whole) }}
          title={titleOf(each)}
        >
          <span>{labelOf(each)}</span>
        </li>
      ))}
    </ol>
  )
}

function labelOf({ kind, ms, attempt }: Stretch): string {
  if (kind === "attempt") return t.life.attempt(attempt)
  return kind === "wait" ? t.life.waited(span(ms)) : t.life.backoff(span(ms))
}

const titleOf = (each: Stretch) =>
  each.kind === "attempt" ? `${labelOf(each)}: ${states[each.state]}, ${span(each.ms)}` : labelOf(each)
