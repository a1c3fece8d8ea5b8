import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { type Task, traceOptions } from "@/api/tasks"
import { counted } from "@/lib/number"
import { stateOfTask } from "@/lib/state"
import { span } from "@/lib/time"
import { useNowAs } from "@/lib/useNow"
import type { Story } from "@/live/story"
import { useTold } from "@/live/useStory"
import { Facts } from "@/parts/Facts"
import { Moment } from "@/parts/Moment"
import { run as t } from "@/texts/run"
import { states } from "@/texts/states"
import { LifeBar } from "./LifeBar"

const QUARTER = 25

/** The life bar, the progress and the facts. */
export function RunFacts({ task, story }: { task: Task; story: Story }) {
  return (
    <section className="sheet" aria-label={t.about}>
      <div className="sheet-body stack">
        <LifeBar task={task} />
        {task.status === "RUNNING" && <Progress task={task} story={story} />}
        <Facts
          of={[
            [
              t.toTask,
              <Link key="task" to="/task/$key" params={{ key: task.taskDefinitionId }}>
                {task.taskDefinitionId}
              </Link>,
            ],
            [t.facts.queue, task.taskType.toLowerCase()],
            [t.facts.priority, task.priority],
            [t.facts.attempt, task.attempt ? t.of(task.attempt, task.maxRetries + 1) : null],
            [t.facts.took, task.executionTime === null ? null : span(task.executionTime)],
            [t.facts.worker, task.executorId],
            [t.facts.created, <Moment key="created" at={task.createdAt} />],
            [t.facts.retryAt, task.nextRetryTime && <Moment key="retry" at={task.nextRetryTime} />],
            [t.facts.due, task.dueDate && <Moment key="due" at={task.dueDate} />],
            [t.facts.assignee, task.assigneeName ?? task.assigneeId],
            [t.facts.claimed, task.claimedBy],
            [t.facts.startedBy, task.client?.user as string | undefined],
            [t.facts.cause, task.causeType && `${task.causeType} ${task.cause ?? ""}`],
            [t.facts.workflow, task.workflowId],
            [t.facts.step, task.stepId],
            [t.facts.tags, task.tags.join(", ")],
            [t.facts.trace, <Trace key="trace" taskId={task.taskId} />],
          ]}
        />
      </div>
      <Announcer task={task} story={story} />
    </section>
  )
}

/** The trace's id, which leads to where traces are shown if the server knows where that is. */
function Trace({ taskId }: { taskId: string }) {
  const { data } = useQuery(traceOptions(taskId))
  if (!data) return null
  const id = <code className="trace">{data.traceId}</code>
  return data.url && /^https?:/.test(data.url) ? (
    <a href={data.url} target="_blank" rel="noreferrer">
      {id}
    </a>
  ) : (
    id
  )
}

function Progress({ task, story }: { task: Task; story: Story }) {
  const told = useTold(story, each => each.progress) ?? (task.progress as Story["progress"])
  if (!told) return null
  const percent = told.percent
  return (
    <div className="progress">
      <progress max={100} value={percent ?? undefined} aria-label={told.action ?? states.running} />
      <span className="number">{percent === null ? counted(told.current) : `${Math.round(percent)} %`}</span>
      {told.action && <span className="quiet">{told.action}</span>}
    </div>
  )
}

/** Tells who listens of states and of each quarter, and of nothing more. */
function Announcer({ task, story }: { task: Task; story: Story }) {
  const state = states[useNowAs(now => stateOfTask(task, now))]
  const quarter = useTold(story, told => Math.floor((told.progress?.percent ?? 0) / QUARTER) * QUARTER)
  return (
    <p className="sr" role="status">
      {t.announce(state)}
      {task.status === "RUNNING" && quarter > 0 && `, ${t.announcePercent(quarter)}`}
    </p>
  )
}
