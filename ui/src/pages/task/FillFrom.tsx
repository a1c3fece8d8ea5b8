import { useInfiniteQuery } from "@tanstack/react-query"
import { useState } from "react"
import { tasksOptions } from "@/api/tasks"
import { usePrefs } from "@/lib/prefs"
import { stateOf } from "@/lib/state"
import { absolute } from "@/lib/time"
import { states } from "@/texts/states"
import { task as t } from "@/texts/tasks"

const OFFERED = 20

/** The latest runs, whose input can be taken over; they are looked up once somebody asks for them. */
export function FillFrom({
  definitionKey,
  onFill,
}: {
  definitionKey: string
  onFill: (runId: string) => void
}) {
  const [isWanted, setWanted] = useState(false)
  const { zone } = usePrefs()
  const { data } = useInfiniteQuery({
    ...tasksOptions({ definition: definitionKey, limit: OFFERED }),
    enabled: isWanted,
  })
  const runs = data?.pages[0]?.items ?? []
  return (
    <label className="choose">
      <span className="sr">{t.fillFrom}</span>
      <select
        className="field"
        value=""
        onFocus={() => setWanted(true)}
        onPointerEnter={() => setWanted(true)}
        onChange={event => onFill(event.target.value)}
      >
        <option value="" disabled>
          {t.fillFrom}
        </option>
        {runs.map(run => (
          <option key={run.taskId} value={run.taskId}>
            {t.runOf(absolute(Date.parse(run.createdAt), zone), states[stateOf(run.status)])}
          </option>
        ))}
      </select>
    </label>
  )
}
