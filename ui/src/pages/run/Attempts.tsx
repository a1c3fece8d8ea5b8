import { useQuery } from "@tanstack/react-query"
import { attemptsOptions } from "@/api/tasks"
import { span } from "@/lib/time"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { StateMark } from "@/parts/StateMark"
import { run as t } from "@/texts/run"
import { stateOfOutcome } from "./life"

/** The tries that have ended, oldest first. */
export default function Attempts({ taskId }: { taskId: string }) {
  const attempts = useQuery(attemptsOptions(taskId))
  return (
    <Loaded from={attempts}>
      {({ items }) =>
        items.length === 0 ? (
          <p className="quiet padded">{t.noAttempts}</p>
        ) : (
          <div className="scrolls">
            <Ledger
              heads={[
                t.attempts.number,
                t.attempts.outcome,
                t.attempts.error,
                t.attempts.worker,
                t.attempts.tier,
                { right: t.attempts.waited },
                { right: t.attempts.took },
                { right: t.attempts.ended },
              ]}
            >
              {items.map(one => (
                <tr key={one.attempt}>
                  <td className="number">{one.attempt}</td>
                  <td>
                    <StateMark state={stateOfOutcome(one.outcome)} />
                  </td>
                  <td className="wide">
                    {one.error ? `${one.error.code} ${one.error.message}` : (one.reason ?? "")}
                  </td>
                  <td className="id">{one.executorId}</td>
                  <td className="less">{one.tier}</td>
                  <td className="number right less">{span(one.queueWait)}</td>
                  <td className="number right">{span(one.executionTime)}</td>
                  <td className="number right">
                    <Moment at={one.endTime} />
                  </td>
                </tr>
              ))}
            </Ledger>
          </div>
        )
      }
    </Loaded>
  )
}
