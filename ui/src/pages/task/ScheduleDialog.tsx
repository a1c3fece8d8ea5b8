import { useQueryClient } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import { putSchedule, schedulesOptions } from "@/api/schedules"
import { Confirm } from "@/parts/Confirm"
import { JsonTree } from "@/parts/JsonView"
import { notify } from "@/parts/Toasts"
import { schedules as t } from "@/texts/schedules"

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone

interface Given {
  definitionKey: string
  input: unknown
  onClose: () => void
}

/** Has a task started again and again, with the input that is filled in. */
export function ScheduleDialog({ definitionKey, input, onClose }: Given) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const [name, setName] = useState(definitionKey)
  const [kind, setKind] = useState<"cron" | "interval">("cron")
  const [cron, setCron] = useState("0 3 * * *")
  const [interval, setEvery] = useState("3600")
  const [timezone, setTimezone] = useState(HERE)
  const store = async () => {
    const when = kind === "cron" ? { cron, timezone } : { interval: Number(interval) }
    await putSchedule(name.trim(), { taskDefinitionId: definitionKey, input, ...when })
    notify(t.stored(name.trim()))
    await client.invalidateQueries({ queryKey: schedulesOptions.queryKey })
    await navigate({ to: "/schedule" })
  }
  return (
    <Confirm title={t.make} verb={t.make} isReady={name.trim() !== ""} onConfirm={store} onClose={onClose}>
      <label className="stacked">
        {t.name}
        <input className="field" value={name} onChange={event => setName(event.target.value)} />
      </label>
      <label className="stacked">
        {t.columns.when}
        <select className="field" value={kind} onChange={event => setKind(event.target.value as typeof kind)}>
          <option value="cron">{t.byCron}</option>
          <option value="interval">{t.byInterval}</option>
        </select>
      </label>
      {kind === "cron" ? (
        <>
          <label className="stacked">
            {t.cron}
            <input className="field code" value={cron} onChange={event => setCron(event.target.value)} />
          </label>
          <label className="stacked">
            {t.timezone}
            <input className="field" value={timezone} onChange={event => setTimezone(event.target.value)} />
          </label>
        </>
      ) : (
        <label className="stacked">
          {t.seconds}
          <input
            className="field number"
            inputMode="numeric"
            value={interval}
            onChange={event => setEvery(event.target.value)}
          />
        </label>
      )}
      <details>
        <summary>{t.withInput}</summary>
        <JsonTree value={input} />
      </details>
    </Confirm>
  )
}
