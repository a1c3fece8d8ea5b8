import { Link, useNavigate } from "@tanstack/react-router"
import { memo, useCallback, useMemo, useRef, useState } from "react"
import type { Task } from "@/api/tasks"
import { useKeys } from "@/lib/keys"
import { span } from "@/lib/time"
import { useRows } from "@/lib/useRows"
import { Moment } from "@/parts/Moment"
import { TaskState } from "@/parts/StateMark"
import { runs as t } from "@/texts/runs"
import type { Selection } from "./useSelection"

/** Runs as rows: `j` and `k` move, `x` selects, Enter opens. */
export function RunsTable({ tasks, selection }: { tasks: Task[]; selection: Selection }) {
  const order = useMemo(() => tasks.map(task => task.taskId), [tasks])
  const { toggle } = selection
  const onToggle = useCallback((id: string, isRange: boolean) => toggle(id, order, isRange), [toggle, order])
  const at = useRowKeys(order, selection)
  const body = useRef<HTMLTableSectionElement>(null)
  const { first, last, above, below } = useRows(body, tasks.length)
  const isAll = tasks.length > 0 && order.every(id => selection.ids.has(id))
  return (
    <table className="ledger folds runs" aria-rowcount={tasks.length + 1}>
      <thead>
        <tr aria-rowindex={1}>
          <th scope="col">
            <input
              type="checkbox"
              aria-label={t.selectAll}
              checked={isAll}
              onChange={() => (isAll ? selection.clear() : selection.setAll(order))}
            />
          </th>
          <th scope="col">{t.columns.state}</th>
          <th scope="col">{t.columns.task}</th>
          <th scope="col">{t.columns.run}</th>
          <th scope="col">{t.columns.attempt}</th>
          <th scope="col" className="right">
            {t.columns.waited}
          </th>
          <th scope="col" className="right">
            {t.columns.took}
          </th>
          <th scope="col" className="right">
            {t.columns.created}
          </th>
        </tr>
      </thead>
      <tbody ref={body}>
        {above > 0 && <Blank height={above} />}
        {tasks.slice(first, last).map((task, k) => (
          <RunRow
            key={task.taskId}
            task={task}
            index={first + k + 2}
            isAt={task.taskId === at}
            isSelected={selection.ids.has(task.taskId)}
            onToggle={onToggle}
          />
        ))}
        {below > 0 && <Blank height={below} />}
      </tbody>
    </table>
  )
}

/** Where rows are that nobody sees. */
const Blank = ({ height }: { height: number }) => (
  <tr className="blank">
    <td colSpan={8} style={{ height }} />
  </tr>
)

interface RowGiven {
  task: Task
  index: number
  isAt: boolean
  isSelected: boolean
  onToggle: (id: string, isRange: boolean) => void
}

const RunRow = memo(function RunRow({ task, index, isAt, isSelected, onToggle }: RowGiven) {
  return (
    <tr className={isAt ? "is-at" : undefined} data-row={task.taskId} aria-rowindex={index}>
      <td className="less">
        <input
          type="checkbox"
          aria-label={t.selectOne(task.taskId)}
          checked={isSelected}
          onChange={event => onToggle(task.taskId, (event.nativeEvent as MouseEvent).shiftKey)}
        />
      </td>
      <td>
        <TaskState task={task} />
      </td>
      <td className="wide">
        <Link className="title" to="/run/$taskId" params={{ taskId: task.taskId }}>
          {task.title}
        </Link>
        {task.status === "FAILED" && <span className="quiet reason"> {task.error?.message as string}</span>}
      </td>
      <td className="id less">{task.taskId}</td>
      <td className="number less">
        {task.attempt}/{task.maxRetries + 1}
      </td>
      <td className="number right less">{span(waitedOf(task))}</td>
      <td className="number right">{tookOf(task)}</td>
      <td className="number right">
        <Moment at={task.createdAt} />
      </td>
    </tr>
  )
})

function waitedOf(task: Task): number | null {
  if (!task.startTime) return null
  return Date.parse(task.startTime) - Date.parse(task.availableAt ?? task.createdAt)
}

function tookOf(task: Task): string {
  const percent = task.status === "RUNNING" ? (task.progress?.percent as number | null) : null
  return typeof percent === "number" ? `${Math.round(percent)} %` : span(task.executionTime)
}

function useRowKeys(order: string[], selection: Selection): string | null {
  const [at, setAt] = useState<string | null>(null)
  const navigate = useNavigate()
  useKeys(event => {
    const place = at === null ? -1 : order.indexOf(at)
    const moved = event.key === "j" ? place + 1 : event.key === "k" ? Math.max(0, place - 1) : null
    if (moved !== null) {
      const next = order[Math.min(moved, order.length - 1)] ?? null
      setAt(next)
      document.querySelector(`[data-row="${next}"]`)?.scrollIntoView({ block: "nearest" })
    } else if (at !== null && event.key.toLowerCase() === "x") selection.toggle(at, order, event.shiftKey)
    else if (event.key === "Escape") selection.clear()
    else if (at !== null && event.key === "Enter" && event.target === document.body)
      void navigate({ to: "/run/$taskId", params: { taskId: at } })
  })
  return at
}
