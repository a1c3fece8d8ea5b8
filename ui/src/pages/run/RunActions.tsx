import { useQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { may, meOptions } from "@/api/operations"
import { cancel, retry, type Task, taskKey } from "@/api/tasks"
import { canCancel, canRetry, isFinal } from "@/lib/state"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { run as t } from "@/texts/run"

/** What can be done with the run now, by whom is looking. */
export function RunActions({ task }: { task: Task }) {
  const client = useQueryClient()
  const [asks, setAsks] = useState(false)
  const { data: me } = useQuery(meOptions)
  const refresh = () => client.invalidateQueries({ queryKey: taskKey(task.taskId) })
  const again = async () => {
    try {
      await retry(task.taskId)
      notify(t.requeued)
    } catch (error) {
      notify((error as Error).message)
    }
    await refresh()
  }
  return (
    <>
      {task.status === "ASSIGNED" && may(me, "tasks:manual") && (
        <Link className="button primary" to="/inbox/$taskId" params={{ taskId: task.taskId }}>
          {t.openInbox}
        </Link>
      )}
      {may(me, "tasks:write") && (
        <>
          {canRetry(task) && (
            <Button icon="again" onClick={() => void again()}>
              {task.status === "RETRYING" ? t.sooner : t.again}
            </Button>
          )}
          {isFinal(task.status) && (
            <Link
              className="button"
              to="/task/$key"
              params={{ key: task.taskDefinitionId }}
              search={{ from: task.taskId }}
            >
              {t.withChanges}
            </Link>
          )}
          {canCancel(task.status) && (
            <Button icon="barred" onClick={() => setAsks(true)}>
              {t.cancel}
            </Button>
          )}
        </>
      )}
      {asks && (
        <Confirm
          title={t.cancelTitle}
          verb={t.cancel}
          look="danger"
          onConfirm={() => cancel(task.taskId).then(refresh)}
          onClose={() => setAsks(false)}
        >
          <p>{t.cancelHelp}</p>
        </Confirm>
      )}
    </>
  )
}
