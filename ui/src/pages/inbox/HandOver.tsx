import { useState } from "react"
import { reassign } from "@/api/inbox"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { inbox as t } from "@/texts/inbox"

type Kind = "USER" | "GROUP"

/** Gives the work to somebody else, with a word why. */
export function HandOver({
  taskId,
  onDone,
  onClose,
}: {
  taskId: string
  onDone: () => Promise<unknown>
  onClose: () => void
}) {
  const [kind, setKind] = useState<Kind>("USER")
  const [name, setName] = useState("")
  const [reason, setReason] = useState("")
  const act = async () => {
    await reassign(taskId, kind, name.trim(), reason)
    notify(t.handedOver)
    await onDone()
  }
  return (
    <Confirm title={t.handOver} verb={t.handOver} onConfirm={act} onClose={onClose}>
      <label className="stacked">
        {t.to}
        <select className="field" value={kind} onChange={event => setKind(event.target.value as Kind)}>
          <option value="USER">{t.user}</option>
          <option value="GROUP">{t.group}</option>
        </select>
      </label>
      <label className="stacked">
        {t.name}
        <input className="field" value={name} onChange={event => setName(event.target.value)} />
      </label>
      <label className="stacked">
        {t.reason}
        <input className="field" value={reason} onChange={event => setReason(event.target.value)} />
      </label>
    </Confirm>
  )
}
