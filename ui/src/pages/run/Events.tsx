import { useQuery } from "@tanstack/react-query"
import { eventsOptions } from "@/api/tasks"
import { stringifyJson } from "@/lib/json"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Instant } from "@/parts/Moment"
import { run as t } from "@/texts/run"

/** What all of them say, and what stands over them in lines of its own. */
const COMMON = new Set(["taskId", "taskType", "taskDefinitionId", "workflowId", "stackTrace"])

/** The run's audit trail, oldest first. */
export default function Events({ taskId }: { taskId: string }) {
  const events = useQuery(eventsOptions(taskId))
  return (
    <Loaded from={events}>
      {({ items }) => (
        <div className="scrolls">
          <Ledger heads={[t.events.at, t.events.type, t.events.data]}>
            {items.map(event => (
              <tr key={event.sequence}>
                <td className="number">
                  <Instant at={event.timestamp} />
                </td>
                <td className="id">{event.type}</td>
                <td className="wide">
                  <code className="quiet facts-line">{factsOf(event.data)}</code>
                </td>
              </tr>
            ))}
          </Ledger>
        </div>
      )}
    </Loaded>
  )
}

function factsOf(data: Record<string, unknown>): string {
  const told = Object.entries(data).filter(([name, value]) => !COMMON.has(name) && value !== null)
  return told
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : stringifyJson(value)}`)
    .join("  ")
}
