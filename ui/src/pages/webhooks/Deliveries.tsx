import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import {
  type Delivery,
  type DeliveryStatus,
  deliveriesOptions,
  deliveryOptions,
  redeliver,
  redeliverAll,
} from "@/api/webhooks"
import { useSearchText } from "@/lib/useSearchText"
import { Button, Chip } from "@/parts/Button"
import { Dialog } from "@/parts/Dialog"
import { JsonTree } from "@/parts/JsonView"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { More } from "@/parts/More"
import { attempt, notify } from "@/parts/Toasts"
import { webhooks as t } from "@/texts/webhooks"

const STATUSES = Object.keys(t.status) as DeliveryStatus[]
const COLOURS: Record<DeliveryStatus, string> = {
  PENDING: "st-queued",
  RETRYING: "st-retrying",
  DELIVERED: "st-succeeded",
  DEAD: "st-dead",
}

/** What was sent, and sending it again. */
export function Deliveries() {
  const [search, setSearch] = useSearchText()
  const client = useQueryClient()
  const status = STATUSES.find(each => each === search.status)
  const deliveries = useInfiniteQuery(deliveriesOptions({ status: status && [status] }))
  const [shown, setShown] = useState<string | null>(null)
  const items = deliveries.data?.pages.flatMap(page => page.items) ?? []
  const again = async (work: () => Promise<string>) => {
    await attempt(async () => notify(await work()))
    await client.invalidateQueries({ queryKey: ["deliveries"] })
  }
  const all = async () => t.redeliveredAll((await redeliverAll({ status: ["DEAD"] })).count)
  return (
    <section className="stack" aria-labelledby="deliveries">
      <div className="row">
        <h2 id="deliveries">{t.deliveries}</h2>
        <span className="spring" />
        {items.some(item => item.status === "DEAD") && (
          <Button onClick={() => void again(all)}>{t.redeliverAll}</Button>
        )}
      </div>
      <div className="chips">
        <Chip isOn={!status} onClick={() => setSearch({ status: "" })}>
          {t.all}
        </Chip>
        {STATUSES.map(each => (
          <Chip key={each} isOn={each === status} onClick={() => setSearch({ status: each })}>
            {t.status[each]}
          </Chip>
        ))}
      </div>
      <Loaded from={deliveries}>
        {() =>
          items.length === 0 ? (
            <p className="quiet">{t.noDeliveries}</p>
          ) : (
            <div className="sheet scrolls">
              <DeliveryTable
                items={items}
                onShow={setShown}
                onRedeliver={id => void again(() => redeliver(id).then(() => t.redelivered))}
              />
            </div>
          )
        }
      </Loaded>
      <More of={deliveries} />
      {shown && <Details deliveryId={shown} onClose={() => setShown(null)} />}
    </section>
  )
}

interface TableGiven {
  items: Delivery[]
  onShow: (id: string) => void
  onRedeliver: (id: string) => void
}

function DeliveryTable({ items, onShow, onRedeliver }: TableGiven) {
  return (
    <Ledger
      heads={[
        t.columns.status,
        t.columns.event,
        t.columns.url,
        t.columns.task,
        t.columns.answer,
        { right: t.columns.made },
        { unseen: t.redeliver },
      ]}
    >
      {items.map(item => (
        <tr key={item.deliveryId}>
          <td>
            <strong className={COLOURS[item.status]}>{t.status[item.status]}</strong>
          </td>
          <td className="id">{item.event}</td>
          <td className="wide">{item.url}</td>
          <td>
            {item.taskId && (
              <Link className="id" to="/run/$taskId" params={{ taskId: item.taskId }}>
                {item.taskId}
              </Link>
            )}
          </td>
          <td className="quiet">{answerOf(item)}</td>
          <td className="number right">
            <Moment at={item.createdAt} />
          </td>
          <td className="right">
            <span className="row">
              <Button onClick={() => onShow(item.deliveryId)}>{t.details}</Button>
              {(item.status === "DEAD" || item.status === "DELIVERED") && (
                <Button icon="again" onClick={() => onRedeliver(item.deliveryId)}>
                  {t.redeliver}
                </Button>
              )}
            </span>
          </td>
        </tr>
      ))}
    </Ledger>
  )
}

function answerOf({ attempts }: Delivery): string {
  const last = attempts.at(-1)
  if (!last) return ""
  return `${last.status ?? last.error ?? ""} (${attempts.length})`
}

function Details({ deliveryId, onClose }: { deliveryId: string; onClose: () => void }) {
  const delivery = useQuery(deliveryOptions(deliveryId))
  return (
    <Dialog title={t.details} onClose={onClose}>
      <Loaded from={delivery}>{data => <JsonTree value={data} />}</Loaded>
    </Dialog>
  )
}
