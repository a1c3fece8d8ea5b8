import { useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useEffect, useEffectEvent, useRef, useState } from "react"
import { claim, complete, type InboxItem, reject, release, resolve, saveDraft } from "@/api/inbox"
import { Form } from "@/form/Form"
import type { Field } from "@/form/field"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { JsonTree } from "@/parts/JsonView"
import { notify } from "@/parts/Toasts"
import { isTaken } from "@/shell/useShortcuts"
import { inbox as t } from "@/texts/inbox"
import { Due } from "./Due"
import { HandOver } from "./HandOver"
import { Talk } from "./Talk"

const DRAFT_AFTER = 3_000

/** One piece of work: what it is about, its form, and what may be done with it now. */
export function WorkSheet({ item, onDone }: { item: InboxItem; onDone: (next: string | undefined) => void }) {
  const client = useQueryClient()
  const { taskId } = item
  const [asks, setAsks] = useState<"reject" | "hand over" | null>(null)
  const [reason, setReason] = useState("")
  const may = (verb: string) => item.actions.includes(verb)
  const refresh = () => client.invalidateQueries({ queryKey: ["inbox"] })
  const act = async (work: () => Promise<unknown>, text: string) => {
    try {
      await work()
      notify(text)
    } catch (error) {
      notify((error as Error).message)
    }
    await refresh()
  }
  useWorkKeys({
    c: may("claim") ? () => void act(() => claim(taskId), t.claimed) : undefined,
    u: may("release") ? () => void act(() => release(taskId), t.released) : undefined,
  })
  const finish = async (value: unknown) => {
    const { next } = await complete(taskId, value)
    notify(t.completed)
    await refresh()
    onDone(next?.taskId)
  }
  const refuse = async () => {
    await reject(taskId, reason)
    notify(t.rejected)
    await refresh()
    onDone(undefined)
  }
  return (
    <article className="sheet work" aria-labelledby="work-title">
      <header className="sheet-head">
        <h2 id="work-title">{item.title}</h2>
        <Due item={item} />
        <span className="spring" />
        {may("claim") && item.claimedBy === null && item.assigneeType !== "USER" && (
          <Button look="primary" onClick={() => void act(() => claim(taskId), t.claimed)}>
            {t.claim}
          </Button>
        )}
        {may("release") && (
          <Button onClick={() => void act(() => release(taskId), t.released)}>{t.release}</Button>
        )}
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
        {may("complete") ? (
          <WorkForm
            item={item}
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

interface WorkFormGiven {
  item: InboxItem
  onFinish: (value: unknown) => Promise<unknown>
  onReject: (() => void) | undefined
}

function WorkForm({ item, onFinish, onReject }: WorkFormGiven) {
  const fields = (item.form.fields ?? []) as unknown as Field[]
  const parts = (item.form.parts ?? []) as unknown as { componentId: string; text: string | null }[]
  const draft = useDraft(item)
  return (
    <>
      {parts.map(part => part.text && <p key={part.componentId}>{part.text}</p>)}
      <Form fields={fields} initial={item.draft} prefix="/output" onSubmit={onFinish} onChange={draft.later}>
        {isBusy => (
          <>
            <Button type="submit" look="primary" icon="check" disabled={isBusy}>
              {isBusy ? t.completing : t.complete}
            </Button>
            {onReject && <Button onClick={onReject}>{t.reject}</Button>}
            {item.actions.includes("draft") && fields.length > 0 && (
              <Button onClick={() => void draft.now().then(() => notify(t.draftKept))}>{t.draft}</Button>
            )}
          </>
        )}
      </Form>
    </>
  )
}

/** Keeps what is filled in with the server: when it is asked to, and a moment after the last change. */
function useDraft(item: InboxItem) {
  const value = useRef<unknown>(item.draft)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const may = item.actions.includes("draft")
  const now = async () => {
    clearTimeout(timer.current)
    await saveDraft(item.taskId, value.current)
  }
  useEffect(() => () => clearTimeout(timer.current), [])
  const later = (next: unknown) => {
    value.current = next
    clearTimeout(timer.current)
    if (may) timer.current = setTimeout(() => void now().catch(() => undefined), DRAFT_AFTER)
  }
  return { now, later }
}

function useWorkKeys(verbs: Record<string, (() => void) | undefined>): void {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (!isTaken(event) && !event.ctrlKey && !event.metaKey) verbs[event.key]?.()
  })
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event)
    document.addEventListener("keydown", listener)
    return () => document.removeEventListener("keydown", listener)
  }, [])
}
