import { Link } from "@tanstack/react-router"
import type { Task } from "@/api/tasks"
import { span } from "@/lib/time"
import { Moment } from "@/parts/Moment"
import { TaskState } from "@/parts/StateMark"
import { run as t } from "@/texts/run"

/** The steps of a process that have begun, the latest first. */
export function Steps({ steps }: { steps: Task[] }) {
  return (
    <section aria-label={t.steps}>
      <ul className="recent">
        {steps.map(step => (
          <li key={step.taskId}>
            <TaskState task={step} />
            <Link to="/run/$taskId" params={{ taskId: step.taskId }}>
              {step.title}
            </Link>
            <span className="id">{step.stepId}</span>
            <span className="spring" />
            <span className="number quiet">{span(step.executionTime)}</span>
            <span className="number quiet">
              <Moment at={step.createdAt} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
