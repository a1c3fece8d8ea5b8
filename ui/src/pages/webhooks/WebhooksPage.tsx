import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { enable, type Subscription, sendTest, subscriptionsOptions, unsubscribe } from "@/api/webhooks"
import { Button, IconButton } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { Ledger } from "@/parts/Ledger"
import { Listed } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { attempt, notify } from "@/parts/Toasts"
import { webhooks as t } from "@/texts/webhooks"
import { Deliveries } from "./Deliveries"
import { RotateDialog, SecretDialog, SubscribeDialog } from "./SubscribeDialog"

/** Subscriptions with how they fare, and what was sent. */
export function WebhooksPage() {
  const subscriptions = useQuery(subscriptionsOptions)
  const [asks, setAsks] = useState<"subscribe" | Ask | null>(null)
  const [secret, setSecret] = useState<string | null>(null)
  const close = () => setAsks(null)
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        <Button icon="hook" onClick={() => setAsks("subscribe")}>
          {t.subscribe}
        </Button>
      }
    >
      <div className="stack">
        <h2>{t.endpoints}</h2>
        <Listed from={subscriptions} none={t.none} noneHelp={t.noneHelp}>
          {items => (
            <div className="sheet scrolls">
              <Ledger heads={[t.columns.url, t.columns.events, t.columns.health, { unseen: t.test }]}>
                {items.map(each => (
                  <SubscriptionRow key={each.subscriptionId} subscription={each} onAsk={setAsks} />
                ))}
              </Ledger>
            </div>
          )}
        </Listed>
        <Deliveries />
      </div>
      {asks === "subscribe" && <SubscribeDialog onSecret={setSecret} onClose={close} />}
      {asks !== null && asks !== "subscribe" && asks.verb === "rotate" && (
        <RotateDialog subscription={asks.subscription} onSecret={setSecret} onClose={close} />
      )}
      {asks !== null && asks !== "subscribe" && asks.verb === "remove" && (
        <Removal subscription={asks.subscription} onClose={close} />
      )}
      {secret !== null && <SecretDialog secret={secret} onClose={() => setSecret(null)} />}
    </Page>
  )
}

interface Ask {
  verb: "rotate" | "remove"
  subscription: Subscription
}

function Removal({ subscription, onClose }: { subscription: Subscription; onClose: () => void }) {
  const client = useQueryClient()
  const act = async () => {
    await unsubscribe(subscription.subscriptionId)
    notify(t.removed)
    await client.invalidateQueries({ queryKey: subscriptionsOptions.queryKey })
  }
  return (
    <Confirm
      title={t.removeTitle(subscription.url)}
      verb={t.remove}
      look="danger"
      onConfirm={act}
      onClose={onClose}
    >
      <p>{t.removeHelp}</p>
    </Confirm>
  )
}

interface RowGiven {
  subscription: Subscription
  onAsk: (ask: Ask) => void
}

function SubscriptionRow({ subscription, onAsk }: RowGiven) {
  const client = useQueryClient()
  const { subscriptionId: id, url, description, events, enabled } = subscription
  const act = async (work: () => Promise<string | undefined>) => {
    await attempt(async () => {
      const told = await work()
      if (told) notify(told)
    })
    await client.invalidateQueries({ queryKey: subscriptionsOptions.queryKey })
    await client.invalidateQueries({ queryKey: ["deliveries"] })
  }
  return (
    <tr>
      <td className="wide">
        <span className="title">{url}</span>
        {description && <p className="quiet">{description}</p>}
      </td>
      <td>
        {events.map(event => (
          <span key={event} className="tag">
            {event}
          </span>
        ))}
      </td>
      <td>
        <Health subscription={subscription} />
      </td>
      <td className="right">
        <span className="row">
          <Button onClick={() => void act(async () => t.tested(t.status[(await sendTest(id)).status]))}>
            {t.test}
          </Button>
          <Button onClick={() => void act(async () => void (await enable(id, !enabled)))}>
            {enabled ? t.disable : t.enable}
          </Button>
          <Button onClick={() => onAsk({ verb: "rotate", subscription })}>{t.rotate}</Button>
          <IconButton
            icon="trash"
            label={`${t.remove}: ${url}`}
            onClick={() => onAsk({ verb: "remove", subscription })}
          />
        </span>
      </td>
    </tr>
  )
}

function Health({ subscription }: { subscription: Subscription }) {
  const { enabled, disabledReason, failingSince, lastError } = subscription
  if (!enabled) {
    return (
      <>
        <strong className="st-cancelled">{t.disabled}</strong>
        {disabledReason && <p className="quiet">{disabledReason}</p>}
      </>
    )
  }
  if (!failingSince) return <span className="st-succeeded">{t.works}</span>
  return (
    <>
      <strong className="st-failed">
        {t.failing} <Moment at={failingSince} />
      </strong>
      <p className="quiet">{lastError}</p>
    </>
  )
}
