import { useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { type Requeue, requeue } from "@/api/deadLetters"
import { parseJson, stringifyJson } from "@/lib/json"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { deadLetters as t } from "@/texts/deadLetters"
import { DryRun } from "./DryRun"

interface Given {
  taskIds: string[]
  /** The input of one of them, to begin with. */
  input: unknown
  onClose: () => void
}

/** Has dead letters run again: at once or at a rate, as they were or with another input. */
export function RequeueDialog({ taskIds, input, onClose }: Given) {
  const client = useQueryClient()
  const [rate, setRate] = useState("")
  const [text, setText] = useState<string | null>(null)
  const act = async () => {
    const body: Requeue = { taskIds }
    if (rate) body.ratePerSecond = Number(rate)
    if (text !== null) body.input = parseJson(text)
    const moved = await requeue(body)
    notify(t.requeued(moved.taskIds.length))
    await client.invalidateQueries()
  }
  return (
    <Confirm title={t.requeueTitle(taskIds.length)} verb={t.requeue} onConfirm={act} onClose={onClose}>
      <DryRun taskIds={taskIds} ask={ids => requeue({ taskIds: ids, dryRun: true })} />
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
          onChange={event => setText(event.target.checked ? stringifyJson(input, 2) : null)}
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
