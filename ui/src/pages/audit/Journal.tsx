import { useInfiniteQuery } from "@tanstack/react-query"
import { journalOptions } from "@/api/audit"
import { stringifyJson } from "@/lib/json"
import { Empty } from "@/parts/Empty"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Instant } from "@/parts/Moment"
import { More } from "@/parts/More"
import { audit as t } from "@/texts/audit"
import { Sought } from "./Sought"

/** What was done to queues, schedules, webhooks, people and whatever else is no task. */
export function Journal({ by }: { by: string | undefined }) {
  const found = useInfiniteQuery(journalOptions(by))
  const entries = found.data?.pages.flatMap(page => page.items) ?? []
  return (
    <>
      <div className="row">
        <Sought name="by" label={t.by} />
      </div>
      <Loaded from={found}>
        {() =>
          entries.length === 0 ? (
            <Empty title={by ? t.noneFits : t.nothing} />
          ) : (
            <div className="sheet scrolls">
              <Ledger heads={[t.columns.at, t.columns.by, t.columns.event, t.facts]}>
                {entries.map((entry, k) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: entries are only ever added at the end
                  <tr key={k}>
                    <td className="number">
                      <Instant at={entry.at} />
                    </td>
                    <td className="title">{entry.by}</td>
                    <td>{entry.action}</td>
                    <td className="wide">
                      <code className="quiet">{factsOf(entry.facts)}</code>
                    </td>
                  </tr>
                ))}
              </Ledger>
            </div>
          )
        }
      </Loaded>
      <More of={found} />
    </>
  )
}

const factsOf = (facts: Record<string, unknown>) =>
  Object.entries(facts)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : stringifyJson(value)}`)
    .join("  ")
