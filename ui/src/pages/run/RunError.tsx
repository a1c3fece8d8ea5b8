import type { Task } from "@/api/tasks"
import { run as t } from "@/texts/run"

/** Why it failed, in its own words. */
export function RunError({ task }: { task: Task }) {
  const error = task.status === "COMPLETED" ? null : task.error
  if (!error) return null
  const stack = error.stackTrace as string | null | undefined
  return (
    <div className="note danger">
      <p>
        <strong className="number">{error.code as string}</strong> {error.message as string}
      </p>
      {stack && (
        <details>
          <summary>{t.stack}</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reachable by keyboard */}
          <pre className="raw" tabIndex={0}>
            {stack}
          </pre>
        </details>
      )}
    </div>
  )
}
