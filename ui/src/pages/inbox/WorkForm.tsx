import { useState } from "react"
import type { InboxItem } from "@/api/inbox"
import { Form } from "@/form/Form"
import type { Field, Layout } from "@/form/field"
import { type Clause, shown } from "@/form/shown"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { attempt, notify } from "@/parts/Toasts"
import { inbox as t } from "@/texts/inbox"
import type { Draft } from "./draft"

/** A button that the form brings along. */
interface Action {
  key: string
  label: string
  style: "primary" | "secondary" | "danger"
  verb: "complete" | "reject"
  confirmation: string
  visibleIf?: Clause[]
}

/** Something to read that the form brings along. */
interface Part {
  componentId: string
  title: string
  description: string
  text: string | null
  visibleIf?: Clause[]
}

interface Given {
  item: InboxItem
  draft: Draft
  onFinish: (value: unknown, outcome: string | null) => Promise<unknown>
  onReject: (() => void) | undefined
}

const PLAIN: Action = { key: "", label: t.complete, style: "primary", verb: "complete", confirmation: "" }

/** The form that ends the work: its own buttons where it has some, else one that completes it. */
export function WorkForm({ item, draft, onFinish, onReject }: Given) {
  const fields = (item.form.fields ?? []) as unknown as Field[]
  const [asks, setAsks] = useState<{ action: Action; value: unknown } | null>(null)
  const actions = actionsOf(item)
  const submit = async (value: unknown, key: string | null) => {
    const action = actions.find(each => each.key === key && each.verb === "complete") ?? PLAIN
    if (action.confirmation) setAsks({ action, value })
    else await onFinish(value, action.key || null)
  }
  return (
    <>
      <Form
        fields={fields}
        layout={item.form.layout as unknown as Layout}
        initial={item.draft}
        prefix="/output"
        lead={value => <Parts of={shown((item.form.parts ?? []) as unknown as Part[], value)} />}
        onSubmit={submit}
        onChange={draft.later}
      >
        {(isBusy, value) => (
          <>
            {shown(actions, value).map(action =>
              action.verb === "complete" ? (
                <Button
                  key={action.key}
                  type="submit"
                  value={action.key}
                  look={action.style === "secondary" ? "plain" : action.style}
                  icon="check"
                  disabled={isBusy}
                >
                  {isBusy ? t.completing : action.label}
                </Button>
              ) : (
                onReject && (
                  <Button key={action.key} onClick={onReject}>
                    {action.label}
                  </Button>
                )
              ),
            )}
            {onReject && actions.every(action => action.verb !== "reject") && (
              <Button onClick={onReject}>{t.reject}</Button>
            )}
            {item.actions.includes("draft") && fields.length > 0 && (
              <Button onClick={() => void attempt(draft.now).then(isKept => isKept && notify(t.draftKept))}>
                {t.draft}
              </Button>
            )}
          </>
        )}
      </Form>
      {asks && (
        <Confirm
          title={asks.action.label}
          verb={asks.action.label}
          onConfirm={() => onFinish(asks.value, asks.action.key)}
          onClose={() => setAsks(null)}
        >
          <p>{asks.action.confirmation}</p>
        </Confirm>
      )}
    </>
  )
}

function Parts({ of }: { of: Part[] }) {
  return of
    .filter(part => part.text || part.description)
    .map(part => (
      <section key={part.componentId}>
        {part.title && <h3>{part.title}</h3>}
        {part.description && <p className="quiet">{part.description}</p>}
        {part.text && <p className="lines">{part.text}</p>}
      </section>
    ))
}

/** The form's buttons; one that completes it is always among them. */
function actionsOf(item: InboxItem): Action[] {
  const own = (item.form.actions ?? []) as unknown as Action[]
  return own.some(action => action.verb === "complete") ? own : [PLAIN, ...own]
}
