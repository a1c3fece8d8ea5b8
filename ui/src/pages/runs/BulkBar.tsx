import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { may, meOptions } from "@/api/operations"
import { cancel, retry, type Task } from "@/api/tasks"
import { canCancel, canRetry } from "@/lib/state"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { runs as t } from "@/texts/runs"
import type { Selection } from "./useSelection"

type Verb = "cancel" | "retry"

const ABLE: Record<Verb, (task: Task) => boolean> = {
  cancel: task => canCancel(task.status),
  retry: canRetry,
}
const ACT: Record<Verb, (taskId: string) => Promise<unknown>> = { cancel, retry }

/** What can be done with the rows that are selected. */
export function BulkBar({ tasks, selection }: { tasks: Task[]; selection: Selection }) {
  const [verb, setVerb] = useState<Verb | null>(null)
  const client = useQueryClient()
  const { data: me } = useQuery(meOptions)
  const chosen = tasks.filter(task => selection.ids.has(task.taskId))
  const able = verb ? chosen.filter(ABLE[verb]) : []

  const act = async () => {
    if (!verb) return
    const results = await Promise.allSettled(able.map(task => ACT[verb](task.taskId)))
    const refused = results.filter(result => result.status === "rejected").length
    notify(t.bulk.done(able.length - refused) + (refused ? `, ${t.bulk.failed(refused)}` : ""))
    selection.clear()
    await client.invalidateQueries({ queryKey: ["tasks"] })
  }
  return (
    <div className="bulk-bar" role="toolbar">
      <span>{t.selected(selection.ids.size)}</span>
      {may(me, "tasks:write") && (
        <>
          <Button icon="again" disabled={!chosen.some(ABLE.retry)} onClick={() => setVerb("retry")}>
            {t.retry}
          </Button>
          <Button icon="barred" disabled={!chosen.some(ABLE.cancel)} onClick={() => setVerb("cancel")}>
            {t.cancel}
          </Button>
        </>
      )}
      <span className="spring" />
      <Button onClick={selection.clear}>{t.clear}</Button>
      {verb && (
        <Confirm
          title={verb === "cancel" ? t.bulk.cancelTitle(able.length) : t.bulk.retryTitle(able.length)}
          verb={verb === "cancel" ? t.cancel : t.retry}
          look={verb === "cancel" ? "danger" : "primary"}
          onConfirm={act}
          onClose={() => setVerb(null)}
        >
          <p>{t.bulk.will(able.length, chosen.length)}</p>
        </Confirm>
      )}
    </div>
  )
}
