import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { type Requeue, requeue } from "@/api/deadLetters"
import type { ErrorGroup } from "@/api/errors"
import { someOptions } from "@/api/tasks"
import { parseJson, stringifyJson } from "@/lib/json"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { deadLetters as t } from "@/texts/deadLetters"
import { DryRun } from "./DryRun"
import { moveAll } from "./moveAll"

/** Has dead letters run again: at once or at a rate, as they were or with another input. */
export function RequeueDialog({ group, onClose }: { group: ErrorGroup; onClose: () => void }) {
  const client = useQueryClient()
  const { count, fingerprint } = group
  const example = useQuery(someOptions(group.taskIds))
  const [rate, setRate] = useState("")
  const [text, setText] = useState<string | null>(null)
  const act = async () => {
    const body: Requeue = { fingerprint }
    if (rate) body.ratePerSecond = Number(rate)
    if (text !== null) body.input = parseJson(text)
    notify(t.requeued(await moveAll(requeue, body)))
    await client.invalidateQueries()
  }
  return (
    <Confirm title={t.requeueTitle(count)} verb={t.requeue} onConfirm={act} onClose={onClose}>
      <DryRun group={group} ask={() => requeue({ fingerprint, dryRun: true })} />
      <label className="stacked">
        {t.rate}
        <input
          className="field number"
          type="number"
          min="0.1"
          step="any"
          value={rate}
          aria-describedby="rate-help"
          onChange={event => setRate(event.target.value)}
        />
      </label>
      <p id="rate-help" className="quiet">
        {t.rateHelp}
      </p>
      <label className="option">
        <input
          type="checkbox"
          checked={text !== null}
          disabled={!example.data}
          onChange={event =>
            setText(event.target.checked ? stringifyJson(example.data?.items[0]?.input ?? {}, 2) : null)
          }
        />
        {t.newInput}
      </label>
      {text !== null && (
        <label className="stacked">
          <span className="quiet">{t.newInputHelp}</span>
          <textarea
            className="field code"
            rows={8}
            value={text}
            onChange={event => setText(event.target.value)}
          />
        </label>
      )}
    </Confirm>
  )
}
