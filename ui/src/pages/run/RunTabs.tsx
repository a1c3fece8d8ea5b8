import { useQuery } from "@tanstack/react-query"
import { lazy, Suspense } from "react"
import { definitionOptions } from "@/api/definitions"
import { may, meOptions } from "@/api/operations"
import type { Task } from "@/api/tasks"
import { useSearchText } from "@/lib/useSearchText"
import type { Story } from "@/live/story"
import { Skeleton } from "@/parts/Empty"
import { JsonTree } from "@/parts/JsonView"
import { Tabs } from "@/parts/Tabs"
import { Terminal } from "@/terminal/Terminal"
import { run as t } from "@/texts/run"

const Result = lazy(() => import("./Result"))
const Attempts = lazy(() => import("./Attempts"))
const Events = lazy(() => import("./Events"))
const Related = lazy(() => import("./Related"))
const Process = lazy(() => import("./Process"))

const NAMES = ["output", "input", "result", "attempts", "events", "process", "related"] as const
type Name = (typeof NAMES)[number]

/** What is known of a run beyond its facts; the tab stands in the address. */
export function RunTabs({ task, story }: { task: Task; story: Story }) {
  const [search, setSearch] = useSearchText()
  const { data: me } = useQuery(meOptions)
  const { data: definition } = useQuery({
    ...definitionOptions(task.taskDefinitionId),
    enabled: may(me, "tasks:read", "definitions:write"),
  })
  const isOfProcess = task.workflowId !== null || definition?.implementation.kind === "bpmn"
  const names = NAMES.filter(name => name !== "process" || isOfProcess)
  const chosen = names.find(name => name === search.tab) ?? "output"
  return (
    <section className="sheet">
      <Tabs
        label={t.about}
        tabs={names.map(name => ({ name, title: t.tabs[name] }))}
        chosen={chosen}
        onChoose={name => setSearch({ tab: name === "output" ? undefined : name })}
      >
        <Suspense fallback={<Skeleton rows={4} />}>{panel(chosen, task, story)}</Suspense>
      </Tabs>
    </section>
  )
}

function panel(name: Name, task: Task, story: Story) {
  switch (name) {
    case "output":
      return <Terminal story={story} name={task.taskId} />
    case "input":
      return task.input === null ? (
        <p className="quiet padded">{t.noInput}</p>
      ) : (
        <div className="padded">
          <JsonTree value={task.input} />
        </div>
      )
    case "result":
      return <Result task={task} />
    case "attempts":
      return <Attempts taskId={task.taskId} />
    case "events":
      return <Events taskId={task.taskId} />
    case "process":
      return <Process task={task} />
    case "related":
      return <Related task={task} />
  }
}
