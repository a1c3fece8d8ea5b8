import { useInfiniteQuery, useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { may, meOptions } from "@/api/operations"
import { childrenOptions, type Task } from "@/api/tasks"
import { deliveriesOptions } from "@/api/webhooks"
import { withTerm } from "@/lib/filter"
import { span } from "@/lib/time"
import { Moment } from "@/parts/Moment"
import { More } from "@/parts/More"
import { TaskState } from "@/parts/StateMark"
import { run as t } from "@/texts/run"
import { webhooks } from "@/texts/webhooks"

/** Where the run comes from, what it has started, and who was told of it. */
export default function Related({ task }: { task: Task }) {
  const { data: me } = useQuery(meOptions)
  const found = useInfiniteQuery(childrenOptions(task.taskId))
  const children = found.data?.pages.flatMap(page => page.items) ?? []
  const { data: deliveries } = useInfiniteQuery({
    ...deliveriesOptions({ taskId: task.taskId }),
    enabled: may(me, "webhooks:manage"),
  })
  const sent = deliveries?.pages.flatMap(page => page.items) ?? []
  const isAlone = !task.parentTaskId && !task.workflowId && !children.length && !sent.length
  return (
    <div className="padded stack">
      {isAlone && <p className="quiet">{t.nothingRelated}</p>}
      {task.parentTaskId && (
        <p>
          {t.parent}:{" "}
          <Link to="/run/$taskId" params={{ taskId: task.parentTaskId }}>
            {task.parentTaskId}
          </Link>
        </p>
      )}
      {task.workflowId && (
        <p>
          <Link to="/run" search={{ q: withTerm("", "workflow", task.workflowId) }}>
            {t.sameWorkflow}
          </Link>
        </p>
      )}
      {children.length > 0 && (
        <section>
          <h2 className="small">{t.children}</h2>
          <ul className="plain-list">
            {children.map(child => (
              <li key={child.taskId}>
                <TaskState task={child} />
                <Link to="/run/$taskId" params={{ taskId: child.taskId }}>
                  {child.title}
                </Link>
                <span className="number quiet">{span(child.executionTime)}</span>
              </li>
            ))}
          </ul>
          <More of={found} />
        </section>
      )}
      {sent.length > 0 && (
        <section>
          <h2 className="small">{t.deliveries}</h2>
          <ul className="plain-list">
            {sent.map(delivery => (
              <li key={delivery.deliveryId}>
                <span>{webhooks.status[delivery.status]}</span>
                <span className="id">{delivery.event}</span>
                <span className="quiet">{delivery.url}</span>
                <Moment at={delivery.createdAt} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}
