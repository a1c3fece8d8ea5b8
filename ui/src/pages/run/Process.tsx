import { useQuery } from "@tanstack/react-query"
import { lazy, Suspense } from "react"
import { ApiError } from "@/api/client"
import { definitionVersionOptions } from "@/api/definitions"
import { may, meOptions } from "@/api/operations"
import { type Task, taskOptions, tasksOfWorkflowOptions } from "@/api/tasks"
import { isFinal, stateOfTask } from "@/lib/state"
import { Skeleton } from "@/parts/Empty"
import { Problem } from "@/parts/Problem"
import { run as t } from "@/texts/run"
import { Steps } from "./Steps"
import "./process.css"

const Diagram = lazy(() => import("./Diagram"))

const LOOK_EVERY = 3_000

/** The process that a run is a step of, or is itself: its diagram with where it stands, and its steps. */
export default function Process({ task }: { task: Task }) {
  const { data: me } = useQuery(meOptions)
  const instanceId = isProcess(task) ? task.taskId : (task.workflowId ?? "")
  const instance = useQuery({
    ...taskOptions(instanceId),
    enabled: /^\d{1,19}$/.test(instanceId),
    refetchInterval: ({ state }) => (state.data && isFinal(state.data.status) ? false : LOOK_EVERY),
  })
  const { taskDefinitionId, definitionVersion } = instance.data ?? {
    taskDefinitionId: "",
    definitionVersion: "",
  }
  const definition = useQuery({
    ...definitionVersionOptions(taskDefinitionId, definitionVersion),
    enabled: instance.data !== undefined && may(me, "tasks:read", "definitions:write"),
  })
  const isOver = instance.data !== undefined && isFinal(instance.data.status)
  const steps = useQuery({
    ...tasksOfWorkflowOptions(instanceId),
    refetchInterval: ({ state }) =>
      isOver && state.data?.items.every(step => isFinal(step.status)) ? false : LOOK_EVERY,
  })
  const error = instance.error ?? definition.error ?? steps.error
  if (error && !(error instanceof ApiError && error.status === 404)) return <Problem error={error} />
  if (!steps.data) return <Skeleton rows={4} />
  const implementation = definition.data?.implementation
  const states = Object.fromEntries(
    steps.data.items
      .toReversed()
      .flatMap(step => (step.stepId ? [[step.stepId, stateOfTask(step, Date.now())]] : [])),
  )
  return (
    <div className="stack padded">
      {typeof implementation?.source === "string" && implementation.kind === "bpmn" && (
        <Suspense fallback={<Skeleton rows={6} />}>
          <Diagram
            key={implementation.source}
            source={implementation.source}
            states={states}
            at={task.stepId}
          />
        </Suspense>
      )}
      {steps.data.items.length > 0 ? (
        <Steps steps={steps.data.items} />
      ) : (
        <p className="quiet">{t.noSteps}</p>
      )}
    </div>
  )
}

/** Whether a run is a process by itself; its steps name it as their workflow. */
const isProcess = (task: Task) => task.workflowId === null
