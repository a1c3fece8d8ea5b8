import { useQuery } from "@tanstack/react-query"
import { useMemo, useRef, useState } from "react"
import { ApiError, root } from "@/api/client"
import type { Definition } from "@/api/definitions"
import { create, runAndWait, taskOptions } from "@/api/tasks"
import { Form } from "@/form/Form"
import { type Field, leaves } from "@/form/field"
import { useKept } from "@/form/useKept"
import { copy } from "@/lib/clipboard"
import { isObject } from "@/lib/json"
import { useSearchText } from "@/lib/useSearchText"
import { Button } from "@/parts/Button"
import { Skeleton } from "@/parts/Empty"
import { notify } from "@/parts/Toasts"
import { common } from "@/texts/common"
import { task as t } from "@/texts/tasks"
import { COMMANDS } from "./commands"
import { FillFrom } from "./FillFrom"
import { PresetBar } from "./PresetBar"
import { ScheduleDialog } from "./ScheduleDialog"

interface Given {
  definition: Definition
  fields: Field[]
  /** The run whose input is to be filled in. */
  from: string | undefined
  /** Takes the run, and the tab that shows what came of it if it has ended already. */
  onStarted: (runId: string, tab?: string) => void
  onFill: (runId: string) => void
}

const PREFILL = "in."
const WAITS = "wait"

/** What a task asks for. It is filled in from an address (`?in.name=…`) or an earlier run, and never started by that. */
export function StartForm(given: Given) {
  const { from } = given
  const earlier = useQuery({ ...taskOptions(from ?? ""), enabled: from !== undefined })
  if (from !== undefined && earlier.isLoading) return <Skeleton />
  return <Filled {...given} given={earlier.data?.input} />
}

function Filled({ definition, fields, from, given, onStarted, onFill }: Given & { given: unknown }) {
  const [search] = useSearchText()
  const store = useKept(`taskyard.input.${definition.key}`, fields)
  const [preset, setPreset] = useState<{ value: unknown } | null>(null)
  const [presetCount, setPresetCount] = useState(0)
  const [asks, setAsks] = useState(false)
  const [agreed, setAgreed] = useState(false)
  const value = useRef<unknown>(undefined)
  const isComing = useRef(false)
  const secrets = useMemo(() => leaves(fields).filter(([, field]) => field.widget === "password"), [fields])
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is in the address or kept counts when the form is made
  const initial = useMemo(
    () => preset?.value ?? given ?? fromAddress(search, fields) ?? store.kept(),
    [preset, given],
  )

  const begin = async (input: unknown) => (await create({ taskDefinitionId: definition.key, input })).taskId
  const wait = async (input: unknown): Promise<[string, string?]> => {
    const run = await runAndWait(definition.key, input)
    return "status" in run && run.status === "COMPLETED" ? [run.runId, "result"] : [run.runId]
  }
  const start = async (shown: unknown, button: string | null) => {
    if (definition.danger && !agreed)
      throw new ApiError(422, "VALIDATION_ERROR", t.mustConfirm, [{ path: "/input", message: t.mustConfirm }])
    const input = fields.length ? shown : {}
    const [runId, tab] = button === WAITS ? await wait(input) : [await begin(input)]
    store.forget()
    setAgreed(false)
    onStarted(runId, tab)
  }
  const choose = (chosen: unknown) => {
    if (isComing.current) return notify(t.fileIsComing)
    value.current = chosen
    setPreset({ value: chosen })
    setPresetCount(count => count + 1)
  }
  const copyAs = (index: number) => {
    const command = COMMANDS[index]
    if (!command) return
    const shown = withoutSecrets(
      value.current ?? initial ?? {},
      secrets.map(([pointer]) => pointer),
    )
    void copy(command.text(definition.key, shown, location.origin + root)).then(() =>
      notify(t.copied(command.name)),
    )
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
            onChoose={choose}
          />
        )}
      </div>
      <div className="sheet-body">
        <Form
          key={presetCount}
          fields={fields}
          initial={initial}
          prefix="/input"
          onSubmit={start}
          onChange={(next, isFileComing) => {
            value.current = next
            isComing.current = isFileComing
            store.keep(next)
          }}
        >
          {isBusy => (
            <>
              <Warnings definition={definition} agreed={agreed} onAgree={setAgreed} />
              <Button type="submit" look="primary" icon="play" disabled={isBusy}>
                {isBusy ? t.starting : t.start}
              </Button>
              {definition.taskType === "AUTOMATED" && (
                <Button type="submit" value={WAITS} disabled={isBusy}>
                  {t.runAndWait}
                </Button>
              )}
              <Button
                icon="clock"
                onClick={() => (definition.danger && !agreed ? notify(t.mustConfirm) : setAsks(true))}
              >
                {t.schedule}
              </Button>
              <FillFrom
                definitionKey={definition.key}
                onFill={runId => (isComing.current ? notify(t.fileIsComing) : onFill(runId))}
              />
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
      {asks && (
        <ScheduleDialog
          definitionKey={definition.key}
          input={fields.length ? (value.current ?? initial ?? {}) : {}}
          onClose={() => setAsks(false)}
        />
      )}
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
    return type === "integer" || type === "number" ? numberOf(text) : text
  }
  const pairs = given.map(([name, text]) => [name.slice(PREFILL.length), text ?? ""] as const)
  return pairs.length ? Object.fromEntries(pairs.map(([name, text]) => [name, read(name, text)])) : undefined
}

/** A number as it is written; integers of any size are kept exactly. */
function numberOf(text: string): number | bigint {
  const number = Number(text)
  return /^-?\d{16,}$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number
}

function withoutSecrets(value: unknown, pointers: string[]): unknown {
  if (!isObject(value)) return value
  const hidden = new Set(pointers.map(pointer => pointer.split("/")[1]))
  return Object.fromEntries(Object.entries(value).filter(([name]) => !hidden.has(name)))
}
