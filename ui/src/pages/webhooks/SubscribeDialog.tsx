import { useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { rotate, type Subscription, subscribe, subscriptionsOptions } from "@/api/webhooks"
import { copy } from "@/lib/clipboard"
import { Button } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { Dialog } from "@/parts/Dialog"
import { notify } from "@/parts/Toasts"
import { common } from "@/texts/common"
import { webhooks as t } from "@/texts/webhooks"

const HOUR = 3600

/** Has an address told of what happens; then shows its secret, once. */
export function SubscribeDialog({ onSecret, onClose }: SecretGiven) {
  const client = useQueryClient()
  const [url, setUrl] = useState("https://")
  const [events, setEvents] = useState("task.completed\ntask.failed")
  const [description, setDescription] = useState("")
  const act = async () => {
    const made = await subscribe({
      url: url.trim(),
      events: events
        .split("\n")
        .map(line => line.trim())
        .filter(Boolean),
      description: description.trim(),
    })
    await client.invalidateQueries({ queryKey: subscriptionsOptions.queryKey })
    onSecret(made.secret)
  }
  return (
    <Confirm title={t.subscribe} verb={t.subscribe} onConfirm={act} onClose={onClose}>
      <label className="stacked">
        {t.address}
        <input className="field" type="url" value={url} onChange={event => setUrl(event.target.value)} />
      </label>
      <label className="stacked">
        {t.which}
        <textarea
          className="field code"
          rows={4}
          aria-describedby="which-help"
          value={events}
          onChange={event => setEvents(event.target.value)}
        />
      </label>
      <p id="which-help" className="quiet">
        {t.whichHelp}
      </p>
      <label className="stacked">
        {t.described}
        <input className="field" value={description} onChange={event => setDescription(event.target.value)} />
      </label>
    </Confirm>
  )
}

interface SecretGiven {
  onSecret: (secret: string) => void
  onClose: () => void
}

/** Gives a subscription a new secret, while the one before goes on for some hours. */
export function RotateDialog({
  subscription,
  onSecret,
  onClose,
}: SecretGiven & { subscription: Subscription }) {
  const [hours, setHours] = useState("24")
  const act = async () => onSecret((await rotate(subscription.subscriptionId, Number(hours) * HOUR)).secret)
  return (
    <Confirm title={t.rotate} verb={t.rotate} onConfirm={act} onClose={onClose}>
      <p>{t.rotateHelp}</p>
      <label className="stacked">
        {t.overlap}
        <input
          className="field number"
          inputMode="decimal"
          value={hours}
          onChange={event => setHours(event.target.value)}
        />
      </label>
    </Confirm>
  )
}

/** A secret, shown this once. */
export function SecretDialog({ secret, onClose }: { secret: string; onClose: () => void }) {
  return (
    <Dialog title={t.secret} onClose={onClose}>
      <p>{t.secretHelp}</p>
      <pre className="raw">{secret}</pre>
      <footer className="dialog-foot">
        <Button icon="copy" onClick={() => void copy(secret).then(() => notify(t.copied))}>
          {common.copy}
        </Button>
        <Button look="primary" onClick={onClose}>
          {t.done}
        </Button>
      </footer>
    </Dialog>
  )
}
