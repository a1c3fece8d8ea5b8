import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { type ReactNode, useState } from "react"
import type { ErrorGroup } from "@/api/errors"
import { someOptions } from "@/api/tasks"
import { span } from "@/lib/time"
import { Loaded } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { TaskState } from "@/parts/StateMark"
import { causes as t } from "@/texts/causes"
import "./causes.css"

/** Failures of one cause: what they have in common, when they came, and the latest of them. */
export function Cause({
  group,
  actions,
  isOpen = false,
}: {
  group: ErrorGroup
  actions?: ReactNode
  isOpen?: boolean
}) {
  const [isShown, setShown] = useState(isOpen)
  return (
    <li className="sheet cause" id={group.fingerprint}>
      <div className="cause-head">
        <div>
          <p>
            <Link className="title" to="/task/$key" params={{ key: group.definition }}>
              {group.title}
            </Link>{" "}
            <strong className="number st-dead">{group.code}</strong>
          </p>
          <p className="cause-message">{group.message}</p>
          <p className="quiet">
            {t.count(group.count)}, {t.first} <Moment at={group.firstAt} />, {t.last}{" "}
            <Moment at={group.lastAt} />
          </p>
        </div>
        <OverTime counts={group.overTime} />
        {actions && <div className="row">{actions}</div>}
      </div>
      <details open={isShown} onToggle={event => setShown(event.currentTarget.open)}>
        <summary className="padded">{t.show(group.taskIds.length, group.count)}</summary>
        {isShown && <Latest taskIds={group.taskIds} />}
      </details>
    </li>
  )
}

/** How many came in each stretch of time, the latest at the right. */
function OverTime({ counts }: { counts: number[] }) {
  const most = Math.max(1, ...counts)
  return (
    <div className="over-time" role="img" aria-label={t.overTime(counts)}>
      {counts.map((count, k) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a stretch is its place
        <i key={k} style={{ height: `${(100 * count) / most}%` }} />
      ))}
    </div>
  )
}

function Latest({ taskIds }: { taskIds: string[] }) {
  const found = useQuery(someOptions(taskIds))
  return (
    <Loaded from={found}>
      {({ items }) => (
        <ul className="recent">
          {items.map(task => (
            <li key={task.taskId}>
              <TaskState task={task} />
              <Link className="id" to="/run/$taskId" params={{ taskId: task.taskId }}>
                {task.taskId}
              </Link>
              <span className="quiet">{task.error?.message as string}</span>
              <span className="spring" />
              <span className="number quiet">{span(task.executionTime)}</span>
              <span className="number quiet">
                <Moment at={task.endTime ?? task.createdAt} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Loaded>
  )
}
