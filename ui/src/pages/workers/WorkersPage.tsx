import { useQuery } from "@tanstack/react-query"
import { type Worker, workersOptions } from "@/api/operations"
import { span } from "@/lib/time"
import { Ledger } from "@/parts/Ledger"
import { Listed } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { queues } from "@/texts/queues"
import { workers as t } from "@/texts/workers"

const SILENT_AFTER = 10

/** The processes that run tasks, as they last told of themselves. */
export function WorkersPage() {
  const workers = useQuery(workersOptions)
  return (
    <Page title={t.title} about={t.about}>
      <Listed from={workers} none={t.none} noneHelp={t.noneHelp}>
        {items => (
          <div className="sheet scrolls">
            <Ledger
              heads={[
                t.columns.worker,
                t.columns.queues,
                t.columns.slots,
                t.columns.tiers,
                { right: t.columns.cpu },
                { right: t.columns.memory },
                { right: t.columns.heard },
                { right: t.columns.since },
              ]}
            >
              {items.map(worker => (
                <WorkerRow key={worker.workerId} worker={worker} />
              ))}
            </Ledger>
          </div>
        )}
      </Listed>
    </Page>
  )
}

function WorkerRow({ worker }: { worker: Worker }) {
  return (
    <tr>
      <td className="wide">
        <span className="title">{worker.workerId}</span>
        <p className="quiet">{t.process(worker.host, worker.pid, worker.version)}</p>
      </td>
      <td className="quiet less">{worker.queues.map(name => queues.names[name] ?? name).join(", ")}</td>
      <td className="number">{t.slots(worker.running, worker.slots)}</td>
      <td className="quiet less">{worker.tiers.join(", ")}</td>
      <td className="number right">{worker.cpu === null ? "–" : t.cpu(worker.cpu)}</td>
      <td className="number right">{worker.memoryMb === null ? "–" : t.memory(worker.memoryMb)}</td>
      <td className="number right">
        {worker.heartbeatAge > SILENT_AFTER ? (
          <span className="st-failed">{t.silent}</span>
        ) : (
          span(worker.heartbeatAge * 1000)
        )}
      </td>
      <td className="number right less">
        <Moment at={worker.startedAt} />
      </td>
    </tr>
  )
}
