import type { Attempt, Task } from "@/api/tasks"
import type { State } from "@/lib/state"

/** A stretch of a run's life: it waited, was tried, or paused before the next try. */
export interface Stretch {
  kind: "wait" | "attempt" | "pause"
  ms: number
  /** Which attempt, counted from 1; of a wait, the one it led to. */
  attempt: number
  state: State
}

const BY_OUTCOME: Record<string, State> = {
  COMPLETED: "succeeded",
  FALLBACK: "succeeded",
  FAILED: "failed",
  CANCELED: "cancelled",
  RETRY: "retrying",
  LOST: "failed",
  RELEASED: "queued",
  ASSIGNED: "assigned",
  WAITING: "waiting",
}

/** How an attempt ended, as a state; what is not known counts as over. */
export const stateOfOutcome = (outcome: string): State => BY_OUTCOME[outcome] ?? "cancelled"

/** The stretches of a run's life up to now, oldest first. */
export function lifeOf(task: Task, attempts: Attempt[], now: number): Stretch[] {
  const stretches: Stretch[] = []
  let end = Date.parse(task.createdAt)
  for (const one of attempts) {
    if (!one.startTime || !one.endTime) continue
    addWait(stretches, end, Date.parse(one.startTime), one.attempt)
    const state = one.attempt === task.attempt && task.deadLetteredAt ? "dead" : stateOfOutcome(one.outcome)
    const ms = one.executionTime ?? Date.parse(one.endTime) - Date.parse(one.startTime)
    stretches.push({ kind: "attempt", ms, attempt: one.attempt, state })
    end = Date.parse(one.endTime)
  }
  if (task.status === "RUNNING" && task.startTime) {
    addWait(stretches, end, Date.parse(task.startTime), task.attempt)
    const ms = Math.max(0, now - Date.parse(task.startTime))
    stretches.push({ kind: "attempt", ms, attempt: task.attempt, state: "running" })
  } else if (task.status === "PENDING" || task.status === "RETRYING")
    addWait(stretches, end, now, task.attempt + 1)
  return stretches
}

function addWait(stretches: Stretch[], from: number, until: number, attempt: number): void {
  const ms = until - from
  if (ms <= 0) return
  stretches.push({ kind: stretches.length ? "pause" : "wait", ms, attempt, state: "queued" })
}
