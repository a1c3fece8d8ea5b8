import { useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { claim, complete, type InboxItem, reject, release, repair, resolve } from "@/api/inbox"
import { useKeys } from "@/lib/keys"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { JsonTree } from "@/parts/JsonView"
import { attempt, notify } from "@/parts/Toasts"
import { inbox as t } from "@/texts/inbox"
import { Due } from "./Due"
import { HandOver } from "./HandOver"
import { RepairForm } from "./RepairForm"
import { Talk } from "./Talk"
import { useDraft } from "./useDraft"
import { WorkForm } from "./WorkForm"

/** One piece of work: what it is about, its form, and what may be done with it now. */
export function WorkSheet({
  item,
  onDone,
}: {
  item: InboxItem
  onDone: (next: string | undefined) => Promise<void>
}) {
  const client = useQueryClient()
  const { taskId } = item
  const [asks, setAsks] = useState<"reject" | "hand over" | null>(null)
  const [reason, setReason] = useState("")
  const draft = useDraft(item)
  const may = (verb: string) => item.actions.includes(verb)
  const refresh = () => client.invalidateQueries({ queryKey: ["inbox"] })
  const act = async (work: () => Promise<unknown>, text: string, undo?: () => Promise<unknown>) => {
    if (await attempt(work)) notify(text, undo && (() => undo().then(refresh)))
    await refresh()
  }
  const take = () =>
    void act(
      () => claim(taskId),
      t.claimed,
      () => release(taskId),
    )
  const giveBack = () => {
    const work = async () => {
      await draft.now().catch(() => undefined) // afterwards it is not theirs to draft
      await release(taskId)
    }
    void act(work, t.released, () => claim(taskId))
  }
  useKeys(({ key }) => {
    if (key === "c" && may("claim")) take()
    else if (key === "u" && may("release")) giveBack()
  })
  const end = async (work: () => Promise<string | undefined>, text: string) => {
    const next = await draft.end(work)
    notify(text)
    // It may be theirs to see no more: it is left before it would be asked for again.
    const isList = ({ queryKey }: { queryKey: readonly unknown[] }) =>
      queryKey[0] === "inbox" && queryKey[1] !== "item"
    await client.invalidateQueries({ predicate: isList })
    await onDone(next)
    await client.invalidateQueries({ queryKey: ["inbox", "item"], refetchType: "none" })
  }
  const finish = (value: unknown, outcome: string | null) =>
    end(async () => (await complete(taskId, value, outcome)).next?.taskId, t.completed)
  const mend = (input: unknown) => end(async () => void (await repair(taskId, input)), t.repaired)
  const refuse = () => end(async () => void (await reject(taskId, reason)), t.rejected)
  return (
    <article className="sheet work" aria-labelledby="work-title">
      <header className="sheet-head">
        <h2 id="work-title">{item.title}</h2>
        <Due item={item} />
        <span className="spring" />
        {may("claim") && item.claimedBy === null && item.assigneeType !== "USER" && (
          <Button look="primary" onClick={take}>
            {t.claim}
          </Button>
        )}
        {may("release") && <Button onClick={giveBack}>{t.release}</Button>}
        {may("resolve") && (
          <Button onClick={() => void act(() => resolve(taskId), t.resolve)}>{t.resolve}</Button>
        )}
        {may("reassign") && <Button onClick={() => setAsks("hand over")}>{t.handOver}</Button>}
        <Link to="/run/$taskId" params={{ taskId }}>
          {t.openRun}
        </Link>
      </header>
      <div className="sheet-body stack">
        {item.input !== null && (
          <section aria-label={t.context}>
            <JsonTree value={item.input} />
          </section>
        )}
        {item.form.repair && may("repair") && <RepairForm form={item.form.repair} onMend={mend} />}
        {may("complete") ? (
          <WorkForm
            item={item}
            draft={draft}
            onFinish={finish}
            onReject={may("reject") ? () => setAsks("reject") : undefined}
          />
        ) : (
          may("claim") && <p className="quiet">{t.claimFirst}</p>
        )}
        <Talk item={item} />
      </div>
      {asks === "reject" && (
        <Confirm
          title={t.rejectTitle}
          verb={t.reject}
          look="danger"
          onConfirm={refuse}
          onClose={() => setAsks(null)}
        >
          <label className="stacked">
            {t.reason}
            <textarea
              className="field"
              rows={3}
              required
              value={reason}
              onChange={event => setReason(event.target.value)}
            />
          </label>
        </Confirm>
      )}
      {asks === "hand over" && <HandOver taskId={taskId} onDone={refresh} onClose={() => setAsks(null)} />}
    </article>
  )
}
