import { useQuery } from "@tanstack/react-query"
import { Link, useParams } from "@tanstack/react-router"
import { type Definition, definitionOptions, formOptions } from "@/api/definitions"
import { may, meOptions } from "@/api/operations"
import { taskOptions } from "@/api/tasks"
import type { Field } from "@/form/field"
import { useSearchText } from "@/lib/useSearchText"
import { RunActions } from "@/pages/run/RunActions"
import { RunView } from "@/pages/run/RunPage"
import { titleOf } from "@/pages/tasks/search"
import { Skeleton } from "@/parts/Empty"
import { Loaded } from "@/parts/Loaded"
import { Page } from "@/parts/Page"
import { Problem } from "@/parts/Problem"
import { TaskState } from "@/parts/StateMark"
import { pages } from "@/texts/shell"
import { task as t } from "@/texts/tasks"
import { StartForm } from "./StartForm"
import { TaskFacts } from "./TaskFacts"
import "./task.css"

/** One task: what it asks for, and the run that was just started from here. */
export function TaskPage() {
  const { key } = useParams({ strict: false }) as { key: string }
  const definition = useQuery(definitionOptions(key))
  const form = useQuery(formOptions(key))
  if (definition.error && !definition.data) {
    const askAgain = () => void Promise.all([definition.refetch(), form.refetch()])
    return (
      <Page title={pages.tasks}>
        <Problem error={definition.error} onRetry={askAgain} />
      </Page>
    )
  }
  return (
    <Loaded from={definition}>
      {data => (
        <Page
          key={key}
          title={titleOf(data)}
          about={
            <>
              <Link to="/task">{pages.tasks}</Link> / <span className="id">{key}</span>
              {data.description && <p>{data.description}</p>}
            </>
          }
        >
          <Loaded from={form}>
            {answer => <TaskView definition={data} fields={answer.fields as unknown as Field[]} />}
          </Loaded>
        </Page>
      )}
    </Loaded>
  )
}

function TaskView({ definition, fields }: { definition: Definition; fields: Field[] }) {
  const [search, setSearch] = useSearchText()
  const { data: me } = useQuery(meOptions)
  return (
    <div className={search.run ? "columns has-run" : "columns"}>
      <div className="stack">
        {may(me, "tasks:write") && (
          <StartForm
            key={`${definition.key} ${search.from ?? ""}`}
            definition={definition}
            fields={fields}
            from={search.from}
            onStarted={(run, tab) => setSearch({ run, tab })}
            onFill={from => setSearch({ from })}
          />
        )}
      </div>
      {search.run && <Beside taskId={search.run} />}
      <TaskFacts definition={definition} />
    </div>
  )
}

/** The run that was started here, live; its id is in the address, so that it is there again after a reload. */
function Beside({ taskId }: { taskId: string }) {
  const run = useQuery(taskOptions(taskId))
  if (!run.data) return <Skeleton />
  return (
    <section className="stack" aria-label={t.recent}>
      <div className="row">
        <TaskState task={run.data} />
        <Link to="/run/$taskId" params={{ taskId }} className="id">
          {taskId}
        </Link>
        <span className="spring" />
        <RunActions task={run.data} />
      </div>
      <RunView key={taskId} task={run.data} />
    </section>
  )
}
