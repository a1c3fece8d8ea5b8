import { type FormEvent, type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react"
import { ApiError } from "@/api/client"
import { parseJson, stringifyJson } from "@/lib/json"
import { Button } from "@/parts/Button"
import { Problem } from "@/parts/Problem"
import { form as t } from "@/texts/form"
import { Control } from "./Control"
import { type Field, leaves, type Raw, type Raws } from "./field"
import { shownFields } from "./shown"
import { type Fault, rawsOf, readForm } from "./value"

interface Given {
  fields: Field[]
  /** The value to begin with; what it does not say is the defaults'. */
  initial: unknown
  /** The beginning of the paths under which the server tells faults of this value. */
  prefix: string
  onSubmit: (value: unknown) => Promise<unknown>
  onChange?: (value: unknown) => void
  /** The buttons; that of the type `submit` submits. */
  children: (isBusy: boolean) => ReactNode
}

/** A form as the server describes it. It is checked at the first try to submit, and from then on as it is changed. */
export function Form({ fields, initial, prefix, onSubmit, onChange, children }: Given) {
  const id = useId()
  const [raws, setRaws] = useState<Raws>(() => rawsOf(fields, initial))
  const [json, setJson] = useState<string | null>(null)
  const [served, setServed] = useState<Fault[]>([])
  const [failure, setFailure] = useState<Error | null>(null)
  const [wasTried, setTried] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const isSending = useRef(false) // a key can ask again before the button is drawn disabled
  const element = useRef<HTMLFormElement>(null)
  const summary = useRef<HTMLDivElement>(null)
  const shown = shownFields(fields, readForm(fields, raws).value)
  const made = json === null ? readForm(shown, raws) : readJson(json)
  const faults = wasTried ? [...made.faults, ...served] : []

  const change = (pointer: string, raw: Raw) => {
    const next = { ...raws, [pointer]: raw }
    setRaws(next)
    setServed(served.filter(fault => !fault.path.startsWith(pointer)))
    onChange?.(readForm(shownFields(fields, readForm(fields, next).value), next).value)
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (isSending.current) return
    setTried(true)
    setServed([])
    setFailure(null)
    if (made.faults.length) return void requestAnimationFrame(() => summary.current?.focus())
    isSending.current = true
    setBusy(true)
    try {
      await onSubmit(made.value)
    } catch (error) {
      const told = error instanceof ApiError ? error.faults : []
      setServed(told.map(fault => ({ ...fault, path: fault.path.replace(prefix, "") })))
      if (!told.length) setFailure(error as Error)
      requestAnimationFrame(() => summary.current?.focus())
    } finally {
      isSending.current = false
      setBusy(false)
    }
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element.current?.requestSubmit()
  }
  const toggleJson = () => {
    if (json === null) return setJson(stringifyJson(made.value, 2))
    if (made.faults.length === 0) setRaws(rawsOf(fields, made.value))
    setJson(null)
  }

  return (
    <form
      ref={element}
      className="form"
      noValidate
      onSubmit={event => void submit(event)}
      onKeyDown={onKeyDown}
    >
      {faults.length > 0 && <Summary ref={summary} faults={faults} fields={fields} id={id} />}
      {failure && <Problem error={failure} />}
      {json !== null ? (
        <label className="stacked">
          {t.jsonLabel}
          <textarea
            className="field code"
            rows={12}
            value={json}
            onChange={event => setJson(event.target.value)}
          />
        </label>
      ) : fields.length === 0 ? (
        <p className="quiet">{t.noFields}</p>
      ) : (
        shown.map(field => (
          <Control
            key={field.key}
            field={field}
            parent=""
            id={id}
            raws={raws}
            faults={faults}
            onChange={change}
          />
        ))
      )}
      <footer className="form-foot">
        {children(isBusy)}
        {fields.length > 0 && (
          <>
            <span className="spring" />
            <Button onClick={toggleJson}>{json === null ? t.asJson : t.asForm}</Button>
          </>
        )}
      </footer>
    </form>
  )
}

interface SummaryGiven {
  ref: React.RefObject<HTMLDivElement | null>
  faults: Fault[]
  fields: Field[]
  id: string
}

/** What is to be mended, each leading to its field. */
function Summary({ ref, faults, fields, id }: SummaryGiven) {
  const labels = new Map(leaves(fields).map(([pointer, field]) => [pointer, field.label]))
  return (
    <div ref={ref} className="note danger" role="alert" tabIndex={-1}>
      <strong>{t.summary(faults.length)}</strong>
      <ul>
        {faults.map(fault => (
          <li key={fault.path + fault.message}>
            {labels.has(fault.path) ? (
              <a href={`#${id}${fault.path}`}>{labels.get(fault.path)}</a>
            ) : (
              fault.path
            )}
            : {fault.message}
          </li>
        ))}
      </ul>
    </div>
  )
}

function readJson(text: string): { value: unknown; faults: Fault[] } {
  try {
    return { value: parseJson(text), faults: [] }
  } catch (error) {
    return { value: undefined, faults: [{ path: "", message: t.json((error as Error).message) }] }
  }
}

/** Keep what has been filled in for as long as the tab is open, but for secrets and files. */
export function useKept(key: string, fields: Field[]) {
  const hidden = leaves(fields).some(([, field]) => field.widget === "password")
  useEffect(() => {
    if (hidden) sessionStorage.removeItem(key)
  }, [key, hidden])
  return {
    kept: (): unknown => {
      const text = hidden ? null : sessionStorage.getItem(key)
      return text === null ? undefined : parseJson(text)
    },
    keep: (value: unknown) => {
      if (!hidden) sessionStorage.setItem(key, stringifyJson(value))
    },
    forget: () => sessionStorage.removeItem(key),
  }
}
