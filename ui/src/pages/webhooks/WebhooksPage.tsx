import { useQuery, useQueryClient } from "@tanstack/react-query"
import { enable, type Subscription, sendTest, subscriptionsOptions } from "@/api/webhooks"
import { Button } from "@/parts/Button"
import { Empty } from "@/parts/Empty"
import { Loaded } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { notify } from "@/parts/Toasts"
import { webhooks as t } from "@/texts/webhooks"
import { Deliveries } from "./Deliveries"

/** Subscriptions with how they fare, and what was sent. */
export function WebhooksPage() {
  const subscriptions = useQuery(subscriptionsOptions)
  return (
    <Page title={t.title} about={t.about}>
      <div className="stack">
        <h2>{t.endpoints}</h2>
        <Loaded from={subscriptions}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title={t.none}>
                <p>{t.noneHelp}</p>
              </Empty>
            ) : (
              <div className="sheet scrolls">
                <table className="ledger folds">
                  <thead>
                    <tr>
                      <th scope="col">{t.columns.url}</th>
                      <th scope="col">{t.columns.events}</th>
                      <th scope="col">{t.columns.health}</th>
                      <th scope="col">
                        <span className="sr">{t.test}</span>
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map(each => (
                      <SubscriptionRow key={each.subscriptionId} subscription={each} />
                    ))}
                  </tbody>
                </table>
              </div>
            )
          }
        </Loaded>
        <Deliveries />
      </div>
    </Page>
  )
}

function SubscriptionRow({ subscription }: { subscription: Subscription }) {
  const client = useQueryClient()
  const { subscriptionId: id, url, description, events, enabled } = subscription
  const act = async (work: () => Promise<string | undefined>) => {
    try {
      const told = await work()
      if (told) notify(told)
    } catch (error) {
      notify((error as Error).message)
    }
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
