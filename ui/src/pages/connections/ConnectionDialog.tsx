import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import {
  type Connection,
  type ConnectionBody,
  type ConnectionType,
  connectionsOptions,
  connectionTypesOptions,
  putConnection,
} from "@/api/connections"
import { Form } from "@/form/Form"
import type { Field } from "@/form/field"
import { Button } from "@/parts/Button"
import { Dialog } from "@/parts/Dialog"
import { Loaded } from "@/parts/Loaded"
import { notify } from "@/parts/Toasts"
import { common } from "@/texts/common"
import { connections as t } from "@/texts/connections"

interface Given {
  connection: Connection | null
  onClose: () => void
}

/** Makes a connection or changes one. Its secrets are written here and never read. */
export function ConnectionDialog({ connection, onClose }: Given) {
  const found = useQuery(connectionTypesOptions)
  return (
    <Dialog title={connection ? t.changeNamed(connection.connectionId) : t.add} onClose={onClose}>
      <Loaded from={found}>
        {({ items }) => (
          <Chosen connection={connection} types={items.filter(each => each.fields)} onClose={onClose} />
        )}
      </Loaded>
    </Dialog>
  )
}

function Chosen({ connection, types, onClose }: Given & { types: ConnectionType[] }) {
  const client = useQueryClient()
  const [id, setId] = useState(connection?.connectionId ?? "")
  const [name, setName] = useState(connection?.type ?? types[0]?.type ?? "")
  const type = types.find(each => each.type === name)
  const save = async (value: unknown) => {
    const { secrets, ...given } = value as Partial<ConnectionBody>
    const told = isNothing(secrets) ? given : { ...given, secrets }
    await putConnection(id.trim(), { ...kept(connection), type: name, ...told })
    notify(t.saved(id.trim()))
    await client.invalidateQueries({ queryKey: connectionsOptions.queryKey })
    onClose()
  }
  return (
    <div className="stack">
      {!connection && (
        <>
          <label className="stacked">
            {t.id}
            <input className="field" value={id} onChange={event => setId(event.target.value)} />
          </label>
          <label className="stacked">
            {t.type}
            <select className="field" value={name} onChange={event => setName(event.target.value)}>
              {types.map(each => (
                <option key={each.type}>{each.type}</option>
              ))}
            </select>
          </label>
        </>
      )}
      {type?.fields ? (
        <Form
          key={name}
          fields={fieldsOf(type)}
          initial={{ settings: connection?.settings, limits: connection?.limits }}
          prefix=""
          lead={() => connection && <p className="quiet">{t.secretsStay}</p>}
          onSubmit={save}
        >
          {isBusy => (
            <>
              <Button onClick={onClose}>{common.cancel}</Button>
              <Button type="submit" look="primary" disabled={isBusy || id.trim() === ""}>
                {t.save}
              </Button>
            </>
          )}
        </Form>
      ) : (
        <p>{t.noForm(name)}</p>
      )}
    </div>
  )
}

/** No secrets at all would take away those that are kept. */
const isNothing = (secrets: unknown) => Object.keys(secrets ?? {}).length === 0

/** What the form does not show stays as it is. */
function kept(connection: Connection | null): Partial<ConnectionBody> {
  if (!connection) return {}
  const { title, description, allowedDefinitions, allowedCallers, logBodies } = connection
  return { title, description, allowedDefinitions, allowedCallers, logBodies }
}

/** The settings and limits, which are always told, and the secrets, which are only where some are given. */
const fieldsOf = ({ fields }: ConnectionType) => [
  part("settings", t.settings, fields?.settings, true),
  part("secrets", t.secrets, fields?.secrets, false),
  part("limits", t.limits, fields?.limits, true),
]

function part(key: string, label: string, told: unknown, required: boolean): Field {
  const fields = (told ?? []) as Field[]
  const [only] = fields
  if (only?.key === "") return { ...only, key, label, required }
  return { key, label, type: "object", widget: "group", required, fields }
}
