import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { may, meOptions } from "@/api/operations"
import { removeView, saveView, type View, viewsOptions } from "@/api/views"
import { Button, Chip, IconButton } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { attempt, notify } from "@/parts/Toasts"
import { runs as t } from "@/texts/runs"

interface Given {
  text: string
  /** Whether the filter means something, so that it is worth a name. */
  isMeant: boolean
  onChoose: (text: string) => void
}

/** Filters under names: one's own, and those that others share. */
export function SavedViews({ text, isMeant, onChoose }: Given) {
  const client = useQueryClient()
  const { data: me } = useQuery(meOptions)
  const { data: views } = useQuery({ ...viewsOptions, enabled: may(me, "tasks:read") })
  const [isSaving, setSaving] = useState(false)
  const refresh = () => client.invalidateQueries({ queryKey: viewsOptions.queryKey })
  const forget = (view: View) =>
    attempt(async () => {
      await removeView(view.viewId)
      notify(t.views.removed(view.name), view.own ? () => saveView(bodyOf(view)).then(refresh) : undefined)
      await refresh()
    })
  if (!views) return null
  return (
    <>
      {views.map(view => (
        <span key={view.viewId} className="row">
          <Chip isOn={view.filter === text} onClick={() => onChoose(view.filter)}>
            {view.own ? view.name : t.views.of(view.name, view.owner)}
          </Chip>
          {view.filter === text && (view.own || may(me, "admin")) && (
            <IconButton icon="close" label={t.views.remove(view.name)} onClick={() => void forget(view)} />
          )}
        </span>
      ))}
      {text && isMeant && !views.some(view => view.filter === text) && (
        <Button onClick={() => setSaving(true)}>{t.views.save}</Button>
      )}
      {isSaving && <SaveView text={text} onSaved={refresh} onClose={() => setSaving(false)} />}
    </>
  )
}

const bodyOf = ({ name, filter, shared }: View) => ({ name, filter, shared })

function SaveView({ text, onSaved, onClose }: { text: string; onSaved: () => void; onClose: () => void }) {
  const [name, setName] = useState("")
  const [isShared, setShared] = useState(false)
  const save = async () => {
    await saveView({ name: name.trim() || text.slice(0, 100), filter: text, shared: isShared })
    onSaved()
  }
  return (
    <Confirm title={t.views.save} verb={t.views.save} onConfirm={save} onClose={onClose}>
      <label className="stacked">
        {t.views.name}
        <input
          className="field"
          maxLength={100}
          value={name}
          onChange={event => setName(event.target.value)}
        />
      </label>
      <label className="option">
        <input type="checkbox" checked={isShared} onChange={event => setShared(event.target.checked)} />
        {t.views.share}
      </label>
      <p>
        <code>{text}</code>
      </p>
    </Confirm>
  )
}
