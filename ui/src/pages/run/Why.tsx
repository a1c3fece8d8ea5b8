import { useQuery } from "@tanstack/react-query"
import { type Task, whyOptions } from "@/api/tasks"
import { run as t } from "@/texts/run"

const LOOK_EVERY = 5_000
const MOVES: ReadonlySet<Task["status"]> = new Set(["PENDING", "RETRYING", "ASSIGNED", "WAITING"])

/** In one sentence what a run that does not run waits for. */
export function Why({ task }: { task: Task }) {
  const waits = MOVES.has(task.status)
  const { data } = useQuery({ ...whyOptions(task.taskId), enabled: waits, refetchInterval: LOOK_EVERY })
  if (!waits || !data) return null
  return (
    <p className="note">
      <strong>{t.why}:</strong> {data.reason}
    </p>
  )
}
