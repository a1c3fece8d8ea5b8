import { useQuery } from "@tanstack/react-query"
import { useMemo, useRef, useState } from "react"
import { ApiError } from "@/api/client"
import type { Definition } from "@/api/definitions"
import { create, taskOptions } from "@/api/tasks"
import { Form, useKept } from "@/form/Form"
import { type Field, leaves } from "@/form/field"
import { copy } from "@/lib/clipboard"
import { isObject } from "@/lib/json"
import { useSearchText } from "@/lib/useSearchText"
import { Button } from "@/parts/Button"
import { Skeleton } from "@/parts/Empty"
import { notify } from "@/parts/Toasts"
import { common } from "@/texts/common"
import { task as t } from "@/texts/tasks"
import { COMMANDS } from "./commands"
import { PresetBar } from "./PresetBar"

interface Given {
  definition: Definition
  fields: Field[]
  /** The run whose input is to be filled in. */
  from: string | undefined
  onStarted: (runId: string) => void
}

const PREFILL = "in."

/** What a task asks for. It is filled in from an address (`?in.name=…`) or an earlier run, and never started by that. */
export function StartForm(given: Given) {
  const { from } = given
  const earlier = useQuery({ ...taskOptions(from ?? ""), enabled: from !== undefined })
  if (from !== undefined && earlier.isLoading) return <Skeleton />
  return <Filled {...given} given={earlier.data?.input} />
}

function Filled({ definition, fields, from, given, onStarted }: Given & { given: unknown }) {
  const [search] = useSearchText()
  const store = useKept(`taskyard.input.${definition.key}`, fields)
  const [preset, setPreset] = useState<unknown>(undefined)
  const [agreed, setAgreed] = useState(false)
  const value = useRef<unknown>(undefined)
  const secrets = useMemo(() => leaves(fields).filter(([, field]) => field.widget === "password"), [fields])
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is in the address or kept counts when the form is made
  const initial = useMemo(
    () => preset ?? given ?? fromAddress(search, fields) ?? store.kept(),
    [preset, given],
  )

  const start = async (input: unknown) => {
    if (definition.danger && !agreed)
      throw new ApiError(422, "VALIDATION_ERROR", t.mustConfirm, [{ path: "/input", message: t.mustConfirm }])
    const run = await create({ taskDefinitionId: definition.key, input: fields.length ? input : {} })
    store.forget()
    setAgreed(false)
    onStarted(run.taskId)
  }
  const copyAs = (index: number) => {
    const command = COMMANDS[index]
    if (!command) return
    const shown = withoutSecrets(
      value.current ?? initial ?? {},
      secrets.map(([pointer]) => pointer),
    )
    void copy(command.text(definition.key, shown, location.origin)).then(() => notify(t.copied(command.name)))
  }
  return (
    <section className="sheet" aria-labelledby="start-title">
      <div className="sheet-head">
        <h2 id="start-title">{t.input}</h2>
        {from && given !== undefined && <span className="quiet">{t.filled(from)}</span>}
        <span className="spring" />
        {secrets.length === 0 && fields.length > 0 && (
          <PresetBar
            definitionKey={definition.key}
            current={() => value.current ?? initial ?? {}}
            onChoose={setPreset}
          />
        )}
      </div>
      <div className="sheet-body">
        <Form
          key={JSON.stringify(preset ?? null)}
          fields={fields}
          initial={initial}
          prefix="/input"
          onSubmit={start}
          onChange={next => {
            value.current = next
            store.keep(next)
          }}
        >
          {isBusy => (
            <>
              <Warnings definition={definition} agreed={agreed} onAgree={setAgreed} />
              <Button type="submit" look="primary" icon="play" disabled={isBusy}>
                {isBusy ? t.starting : t.start}
              </Button>
              <label className="copy-as">
                <span className="sr">{t.copyAs}</span>
                <select className="field" value="" onChange={event => copyAs(Number(event.target.value))}>
                  <option value="" disabled>
                    {t.copyAs}
                  </option>
                  {COMMANDS.map((command, k) => (
                    <option key={command.name} value={k}>
                      {common.copy}: {command.name}
                    </option>
                  ))}
                </select>
              </label>
            </>
          )}
        </Form>
      </div>
    </section>
  )
}

function Warnings({
  definition,
  agreed,
  onAgree,
}: {
  definition: Definition
  agreed: boolean
  onAgree: (on: boolean) => void
}) {
  return (
    <div className="warnings">
      {definition.expense && (
        <p className="note warns">
          <strong>{t.expense}:</strong> {definition.expense}
        </p>
      )}
      {definition.danger && (
        <div className="note danger">
          <p>
            <strong>{t.danger}:</strong> {definition.danger}
          </p>
          <label className="option">
            <input type="checkbox" checked={agreed} onChange={event => onAgree(event.target.checked)} />
            {t.confirmDanger}
          </label>
        </div>
      )}
    </div>
  )
}

/** The values that an address names; what is no text there is read as the field wants it. */
function fromAddress(search: Partial<Record<string, string>>, fields: Field[]): unknown {
  const given = Object.entries(search).filter(([name]) => name.startsWith(PREFILL))
  const types = new Map(fields.map(field => [field.key, field.type]))
  const read = (name: string, text: string) => {
    const type = types.get(name)
    if (type === "boolean") return text === "true"
    return type === "integer" || type === "number" ? Number(text) : text
  }
  const pairs = given.map(([name, text]) => [name.slice(PREFILL.length), text ?? ""] as const)
  return pairs.length ? Object.fromEntries(pairs.map(([name, text]) => [name, read(name, text)])) : undefined
}

function withoutSecrets(value: unknown, pointers: string[]): unknown {
  if (!isObject(value)) return value
  const hidden = new Set(pointers.map(pointer => pointer.split("/")[1]))
  return Object.fromEntries(Object.entries(value).filter(([name]) => !hidden.has(name)))
}
