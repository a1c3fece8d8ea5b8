import type { Brief } from "@/api/tasks"
import { stateOf } from "@/lib/state"
import { span } from "@/lib/time"
import { strip as t } from "@/texts/strip"

const LOWEST = 0.18

/** A definition's latest runs as bars, oldest first: the height is the time it took, the colour its state. */
export function Strip({ runs }: { runs: Brief[] }) {
  const longest = Math.max(1, ...runs.map(run => run.executionTime ?? 0))
  const counts = new Map<string, number>()
  for (const run of runs) counts.set(stateOf(run.status), (counts.get(stateOf(run.status)) ?? 0) + 1)
  return (
    <div className="strip" role="img" aria-label={t.summary(counts)}>
      {[...runs].reverse().map(run => (
        <i
          key={run.taskId}
          title={t.bar(stateOf(run.status), span(run.executionTime))}
          className={`st-${run.status === "FAILED" && run.deadLetteredAt ? "dead" : stateOf(run.status)}`}
          style={{ height: `${100 * Math.max(LOWEST, (run.executionTime ?? longest) / longest)}%` }}
        />
      ))}
    </div>
  )
}
