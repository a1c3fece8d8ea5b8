import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { may, meOptions } from "@/api/operations"
import { cancelMany, retryMany, type TaskQuery } from "@/api/tasks"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { Problem } from "@/parts/Problem"
import { notify } from "@/parts/Toasts"
import { runs as t } from "@/texts/runs"
import { doAll, everything, look, type Target } from "./bulk"
import type { Selection } from "./useSelection"

type Verb = "cancel" | "retry"

const ACTS = { cancel: cancelMany, retry: retryMany }
const MANY = 100

interface Given {
  selection: Selection
  query: TaskQuery
  /** Whether there are runs that fit and are not shown yet. */
  hasMore: boolean
  isAllShown: boolean
}

/** What can be done with the rows that are selected, or with all that fit the filter. */
export function BulkBar({ selection, query, hasMore, isAllShown }: Given) {
  const [asks, setAsks] = useState<{ verb: Verb; target: Target } | null>(null)
  const { data: me } = useQuery(meOptions)
  const ask = (verb: Verb) => {
    const target = selection.isEverything ? everything(query, Date.now()) : { taskIds: [...selection.ids] }
    setAsks({ verb, target })
  }
  return (
    <div className="bulk-bar" role="toolbar" aria-label={t.bulk.label}>
      <span>{selection.isEverything ? t.everything : t.selected(selection.ids.size)}</span>
      {isAllShown && hasMore && !selection.isEverything && (
        <Button onClick={selection.setEverything}>{t.selectEverything}</Button>
      )}
      {may(me, "tasks:write") && (
        <>
          <Button icon="again" onClick={() => ask("retry")}>
            {t.retry}
          </Button>
          <Button icon="barred" onClick={() => ask("cancel")}>
            {t.cancel}
          </Button>
        </>
      )}
      <span className="spring" />
      <Button onClick={selection.clear}>{t.clear}</Button>
      {asks && <BulkDialog {...asks} onDone={selection.clear} onClose={() => setAsks(null)} />}
    </div>
  )
}

interface DialogGiven {
  verb: Verb
  target: Target
  onDone: () => void
  onClose: () => void
}

/** Says what would be done before it is, and how far it has come while it is. */
function BulkDialog({ verb, target, onDone, onClose }: DialogGiven) {
  const client = useQueryClient()
  const [through, setThrough] = useState<number | null>(null)
  const dry = useQuery({
    queryKey: ["bulk", verb, target],
    queryFn: () => look(ACTS[verb], target),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const count = dry.data?.changed ?? 0
  const act = async () => {
    const total = await doAll(ACTS[verb], target, setThrough)
    notify(t.bulk.done[verb](total.changed))
    onDone()
    await client.invalidateQueries({ queryKey: ["tasks"] })
  }
  return (
    <Confirm
      title={t.bulk.title[verb]}
      verb={t[verb]}
      look={verb === "cancel" ? "danger" : "primary"}
      isReady={count > 0}
      typed={verb === "cancel" && count > MANY ? String(count) : undefined}
      typedLabel={t.bulk.typeCount(count)}
      onConfirm={act}
      onClose={onClose}
    >
      {dry.error && <Problem error={dry.error} />}
      <p role="status">{dry.data ? t.bulk.will(verb, dry.data) : t.bulk.looking}</p>
      {through !== null && <p role="status">{t.bulk.through(through)}</p>}
    </Confirm>
  )
}
