import { useInfiniteQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { auditOptions, type Deed } from "@/api/audit"
import { save } from "@/lib/clipboard"
import { csv } from "@/lib/csv"
import { stringifyJson } from "@/lib/json"
import { useSearchText } from "@/lib/useSearchText"
import { useSettled } from "@/lib/useSettled"
import { Button } from "@/parts/Button"
import { Empty } from "@/parts/Empty"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Instant } from "@/parts/Moment"
import { More } from "@/parts/More"
import { audit as t } from "@/texts/audit"
import { Sought } from "./Sought"

/** What was done to tasks by hand, by whom, and why. */
export function DeedsOfTasks({ by }: { by: string | undefined }) {
  const [search] = useSearchText()
  const event = useSettled(search.event?.trim() || undefined)
  const found = useInfiniteQuery(auditOptions(by, event))
  const deeds = found.data?.pages.flatMap(page => page.items) ?? []
  return (
    <>
      <div className="row">
        <Sought name="by" label={t.by} />
        <Sought name="event" label={t.event} />
        <span className="spring" />
        {deeds.length > 0 && (
          <Button onClick={() => save("audit.csv", csv(deeds.map(rowOf)))}>{t.export}</Button>
        )}
      </div>
      <Loaded from={found}>
        {() =>
          deeds.length === 0 ? (
            <Empty title={by || event ? t.noneFits : t.none}>{!by && !event && <p>{t.noneHelp}</p>}</Empty>
          ) : (
            <DeedTable deeds={deeds} />
          )
        }
      </Loaded>
      <More of={found} />
    </>
  )
}

function DeedTable({ deeds }: { deeds: Deed[] }) {
  return (
    <div className="sheet scrolls">
      <Ledger heads={Object.values(t.columns)}>
        {deeds.map(({ by, event, envelope }) => (
          <tr key={envelope.id}>
            <td className="number">
              <Instant at={envelope.timestamp} />
            </td>
            <td className="title">{by}</td>
            <td className="id">{event}</td>
            <td>
              <Link className="id" to="/run/$taskId" params={{ taskId: textOf(envelope.data.taskId) }}>
                {textOf(envelope.data.taskDefinitionId) || textOf(envelope.data.taskId)}
              </Link>
            </td>
            <td className="wide">
              <details>
                <summary className="quiet">{textOf(envelope.data.reason) || t.details}</summary>
                <pre className="raw">{stringifyJson(envelope.data, 2)}</pre>
              </details>
            </td>
          </tr>
        ))}
      </Ledger>
    </div>
  )
}

const textOf = (value: unknown) => (typeof value === "string" ? value : "")

const rowOf = ({ by, event, envelope }: Deed) => ({
  at: envelope.timestamp,
  by,
  event,
  taskId: textOf(envelope.data.taskId),
  reason: textOf(envelope.data.reason),
  data: stringifyJson(envelope.data),
})
