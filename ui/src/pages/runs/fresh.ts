import type { Task } from "@/api/tasks"
import type { Change } from "@/live/intake"

const MOST_LOOKED_AT = 1_000
const TOP = 100

/** How many of the newest runs were made after the newest that is shown; ids grow with time. */
export function freshAmong(newest: Pick<Task, "taskId">[], shown: string | undefined): number {
  if (shown === undefined) return newest.length
  return newest.filter(task => isLater(task.taskId, shown)).length
}

/** The shown rows to be asked for anew: those that have changed, or where all may have, those that still can. */
export function changedAmong(shown: Task[], change: Change, canChange: (task: Task) => boolean): string[] {
  const changed = change.more
    ? shown.filter((task, k) => change.taskIds.has(task.taskId) || k < TOP || canChange(task))
    : shown.filter(task => change.taskIds.has(task.taskId))
  return changed.slice(0, MOST_LOOKED_AT).map(task => task.taskId)
}

const isLater = (one: string, other: string) =>
  one.length === other.length ? one > other : one.length > other.length
