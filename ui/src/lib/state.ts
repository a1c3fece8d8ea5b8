import type { Brief, Status, Task } from "@/api/tasks"

/** How a run is shown: its status, told apart where people care. */
export type State =
  | "queued"
  | "scheduled"
  | "running"
  | "retrying"
  | "assigned"
  | "waiting"
  | "failed"
  | "dead"
  | "succeeded"
  | "cancelled"

export const STATES: State[] = [
  "running",
  "queued",
  "scheduled",
  "retrying",
  "assigned",
  "waiting",
  "dead",
  "failed",
  "succeeded",
  "cancelled",
]

const BY_STATUS: Record<Status, State> = {
  PENDING: "queued",
  RUNNING: "running",
  RETRYING: "retrying",
  ASSIGNED: "assigned",
  WAITING: "waiting",
  COMPLETED: "succeeded",
  FAILED: "failed",
  CANCELED: "cancelled",
}

/** The state a status is shown as, where nothing else is known. */
export const stateOf = (status: Status): State => BY_STATUS[status]

/** The state of a task at a moment. */
export function stateOfTask(task: Task | Brief, now: number): State {
  if (task.status === "FAILED" && task.deadLetteredAt) return "dead"
  const availableAt = "availableAt" in task ? task.availableAt : null
  if (task.status === "PENDING" && availableAt && Date.parse(availableAt) > now) return "scheduled"
  return BY_STATUS[task.status]
}

const FINAL: ReadonlySet<Status> = new Set(["COMPLETED", "FAILED", "CANCELED"])

export const isFinal = (status: Status) => FINAL.has(status)

/** Whether somebody may stop it. */
export const canCancel = (status: Status) => !FINAL.has(status)

/** Whether it can be had run again, or sooner. */
export const canRetry = (task: Task) =>
  (task.status === "FAILED" && task.deadLetteredAt !== null) || task.status === "RETRYING"
