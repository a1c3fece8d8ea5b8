import { useState } from "react"
import { everyTask, type Task, type TaskQuery } from "@/api/tasks"
import { save } from "@/lib/clipboard"
import { csv } from "@/lib/csv"
import { stringifyJson } from "@/lib/json"
import { attempt, notify } from "@/parts/Toasts"
import { runs as t } from "@/texts/runs"

const MOST = 10_000

const FORMATS = {
  CSV: (tasks: Task[]) => csv(tasks.map(rowOf)),
  JSON: (tasks: Task[]) => stringifyJson(tasks, 2),
  NDJSON: (tasks: Task[]) => tasks.map(task => `${stringifyJson(task)}\n`).join(""),
}
type Format = keyof typeof FORMATS

/** Saves the runs that fit the filter, the newest 10,000 at most. */
export function ExportRuns({ query }: { query: TaskQuery }) {
  const [isBusy, setBusy] = useState(false)
  const take = async (format: Format) => {
    setBusy(true)
    await attempt(async () => {
      const tasks = await everyTask(query, MOST)
      save(`runs.${format.toLowerCase()}`, FORMATS[format](tasks))
      notify(t.exported(tasks.length))
    })
    setBusy(false)
  }
  return (
    <label>
      <span className="sr">{t.export}</span>
      <select
        className="field"
        value=""
        disabled={isBusy}
        onChange={event => void take(event.target.value as Format)}
      >
        <option value="" disabled>
          {t.export}
        </option>
        {Object.keys(FORMATS).map(format => (
          <option key={format} value={format}>
            {format}
          </option>
        ))}
      </select>
    </label>
  )
}

function rowOf(task: Task): Record<string, string> {
  return {
    taskId: task.taskId,
    task: task.taskDefinitionId,
    title: task.title,
    status: task.status,
    attempt: String(task.attempt),
    createdAt: task.createdAt,
    startTime: task.startTime ?? "",
    endTime: task.endTime ?? "",
    executionTime: task.executionTime === null ? "" : String(task.executionTime),
    errorCode: (task.error?.code as string | undefined) ?? "",
    errorMessage: (task.error?.message as string | undefined) ?? "",
    tags: task.tags.join(" "),
  }
}
