import { useQuery } from "@tanstack/react-query"
import { Link, useParams } from "@tanstack/react-router"
import { type Task, taskOptions } from "@/api/tasks"
import { Loaded } from "@/parts/Loaded"
import { Page } from "@/parts/Page"
import { Problem } from "@/parts/Problem"
import { TaskState } from "@/parts/StateMark"
import { pages } from "@/texts/shell"
import { RunActions } from "./RunActions"
import { RunError } from "./RunError"
import { RunFacts } from "./RunFacts"
import { RunTabs } from "./RunTabs"
import { useRunEnds } from "./useRunEnds"
import { Why } from "./Why"
import "./run.css"

/** One run, alive while it is looked at. */
export function RunPage() {
  const { taskId } = useParams({ strict: false }) as { taskId: string }
  const task = useQuery(taskOptions(taskId))
  if (task.error && !task.data) {
    return (
      <Page title={pages.runs}>
        <Problem error={task.error} onRetry={() => void task.refetch()} />
      </Page>
    )
  }
  return (
    <Loaded from={task}>
      {data => (
        <Page
          key={taskId}
          title={data.title}
          about={
            <span className="row">
              <Link to="/run">{pages.runs}</Link> / <span className="id">{taskId}</span>
            </span>
          }
          actions={
            <>
              <TaskState task={data} />
              <RunActions task={data} />
            </>
          }
        >
          <RunView task={data} />
        </Page>
      )}
    </Loaded>
  )
}

/** Everything about a run but its title: also beside the form that has started it. */
export function RunView({ task }: { task: Task }) {
  const story = useRunEnds(task)
  return (
    <div className="stack">
      <RunError task={task} />
      <Why task={task} />
      <RunFacts task={task} story={story} />
      <RunTabs task={task} story={story} />
    </div>
  )
}
