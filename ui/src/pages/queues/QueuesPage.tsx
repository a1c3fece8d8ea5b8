import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { may, meOptions, pause, type QueueFigures, queuesOptions, resume } from "@/api/operations"
import { span } from "@/lib/time"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Page } from "@/parts/Page"
import { attempt, notify } from "@/parts/Toasts"
import { queues as t } from "@/texts/queues"
import "./queues.css"
import { counted } from "@/lib/number"

const nameOf = (queue: QueueFigures) => t.names[queue.name] ?? queue.name

/** The five queues, and pausing them. */
export function QueuesPage() {
  const queues = useQuery(queuesOptions)
  return (
    <Page title={t.title} about={t.about}>
      <Loaded from={queues}>{({ items }) => <QueueTable queues={items} />}</Loaded>
    </Page>
  )
}

function QueueTable({ queues }: { queues: QueueFigures[] }) {
  return (
    <div className="sheet scrolls">
      <Ledger
        heads={[
          t.columns.name,
          t.columns.slots,
          { right: t.columns.depth },
          { right: t.columns.inFlight },
          { right: t.columns.oldest },
          { right: t.columns.added },
          { right: t.columns.taken },
          { unseen: t.pause },
        ]}
      >
        {queues.map(queue => (
          <QueueRow key={queue.name} queue={queue} />
        ))}
      </Ledger>
    </div>
  )
}

function QueueRow({ queue }: { queue: QueueFigures }) {
  const { used, limit } = queue.slots
  return (
    <tr>
      <td className="wide">
        <span className="title">{nameOf(queue)}</span> <span className="id">{queue.name}</span>{" "}
        {queue.paused && <span className="tag danger">{t.paused}</span>}
      </td>
      <td data-label={t.columns.slots}>
        <span className="slots">
          {limit !== null && <meter min={0} max={limit} value={used} aria-label={t.columns.slots} />}
          <span className="number">{t.slots(used, limit)}</span>
        </span>
      </td>
      <td className="number right" data-label={t.columns.depth}>
        {counted(queue.depth)}
      </td>
      <td className="number right" data-label={t.columns.inFlight}>
        {counted(queue.inFlight)}
      </td>
      <td className="number right" data-label={t.columns.oldest}>
        {queue.oldestAge === null ? "–" : span(queue.oldestAge * 1000)}
      </td>
      <td className="number right less">{t.rate(queue.addRate)}</td>
      <td className="number right less">{t.rate(queue.dispatchRate)}</td>
      <td className="right">
        <PauseButton queue={queue} />
      </td>
    </tr>
  )
}

function PauseButton({ queue }: { queue: QueueFigures }) {
  const client = useQueryClient()
  const { data: me } = useQuery(meOptions)
  const [asks, setAsks] = useState(false)
  const name = nameOf(queue)
  const refresh = () => client.invalidateQueries({ queryKey: queuesOptions.queryKey })
  const goOn = () => resume(queue.name).then(refresh)
  const hold = () => pause(queue.name).then(refresh)
  const halt = () => hold().then(() => notify(t.isPaused(name), goOn))
  if (!may(me, "queues:manage")) return null
  if (queue.paused) {
    return (
      <Button
        icon="play"
        aria-label={t.resumeNamed(name)}
        onClick={() => void attempt(goOn).then(isDone => isDone && notify(t.isResumed(name), hold))}
      >
        {t.resume}
      </Button>
    )
  }
  return (
    <>
      <Button icon="pause" aria-label={t.pauseNamed(name)} onClick={() => setAsks(true)}>
        {t.pause}
      </Button>
      {asks && (
        <Confirm title={t.pauseTitle(name)} verb={t.pause} onConfirm={halt} onClose={() => setAsks(false)}>
          <p>{t.pauseHelp}</p>
        </Confirm>
      )}
    </>
  )
}
