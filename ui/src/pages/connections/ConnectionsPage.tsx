import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { type Connection, connectionsOptions, removeConnection, testConnection } from "@/api/connections"
import { may, meOptions } from "@/api/operations"
import { Button, IconButton } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { Ledger } from "@/parts/Ledger"
import { Listed } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { attempt, notify } from "@/parts/Toasts"
import { connections as t } from "@/texts/connections"
import { ConnectionDialog } from "./ConnectionDialog"

const LOOKS: Record<string, string> = {
  closed: "st-succeeded",
  open: "st-failed",
  "half-open": "st-retrying",
}

/** The external systems that are called, how their breakers stand, and trying them. */
export function ConnectionsPage() {
  const found = useQuery(connectionsOptions)
  const { data: me } = useQuery(meOptions)
  const mayManage = may(me, "connections:manage")
  const [asked, setAsked] = useState<Connection | "new" | null>(null)
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={mayManage && <Button onClick={() => setAsked("new")}>{t.add}</Button>}
    >
      <Listed from={found} none={t.none} noneHelp={t.noneHelp}>
        {items => (
          <div className="sheet scrolls">
            <Ledger
              heads={[
                t.columns.connection,
                t.columns.type,
                t.columns.breaker,
                { right: t.columns.changed },
                { unseen: t.actions },
              ]}
            >
              {items.map(each => (
                <ConnectionRow
                  key={each.connectionId}
                  connection={each}
                  onChange={mayManage ? () => setAsked(each) : undefined}
                />
              ))}
            </Ledger>
          </div>
        )}
      </Listed>
      {asked && (
        <ConnectionDialog connection={asked === "new" ? null : asked} onClose={() => setAsked(null)} />
      )}
    </Page>
  )
}

interface RowGiven {
  connection: Connection
  onChange: (() => void) | undefined
}

function ConnectionRow({ connection, onChange }: RowGiven) {
  const client = useQueryClient()
  const [asks, setAsks] = useState(false)
  const { connectionId: id, type, breaker, changedAt } = connection
  const refresh = () => client.invalidateQueries({ queryKey: connectionsOptions.queryKey })
  const test = async () => {
    await attempt(async () => {
      const { ok, latencyMs, error } = await testConnection(id)
      notify(ok ? t.works(id, latencyMs) : t.fails(id, String(error?.message ?? "")))
    })
    await refresh()
  }
  const forget = async () => {
    await removeConnection(id)
    notify(t.removed(id))
    await refresh()
  }
  return (
    <tr>
      <td className="wide">
        <span className="title">{id}</span>
      </td>
      <td className="number">{type}</td>
      <td>
        <strong className={LOOKS[breaker.state] ?? "st-failed"}>
          {t.breaker[breaker.state] ?? breaker.state}
        </strong>{" "}
        <span className="quiet">
          {breaker.failureRate > 0 && t.failing(breaker.failureRate)}{" "}
          {breaker.state === "open" && t.again(breaker.opensIn)}
        </span>
      </td>
      <td className="number right">
        <Moment at={changedAt} />
      </td>
      <td className="right">
        {onChange && (
          <span className="row">
            <Button aria-label={t.changeNamed(id)} onClick={onChange}>
              {t.change}
            </Button>
            <Button aria-label={t.testNamed(id)} onClick={() => void test()}>
              {t.test}
            </Button>
            <IconButton icon="trash" label={t.removeNamed(id)} onClick={() => setAsks(true)} />
          </span>
        )}
        {asks && (
          <Confirm
            title={t.removeTitle(id)}
            verb={t.remove}
            look="danger"
            onConfirm={forget}
            onClose={() => setAsks(false)}
          >
            <p>{t.removeHelp}</p>
          </Confirm>
        )}
      </td>
    </tr>
  )
}
