import { type FormEvent, type KeyboardEvent, type ReactNode, useId, useRef, useState } from "react"
import { ApiError } from "@/api/client"
import { parseJson, stringifyJson } from "@/lib/json"
import { Button } from "@/parts/Button"
import { Problem } from "@/parts/Problem"
import { form as t } from "@/texts/form"
import { Control } from "./Control"
import type { Field, Layout, Raw, Raws } from "./field"
import { Section, sectionsOf } from "./Section"
import { Summary } from "./Summary"
import { shown as shownOf } from "./shown"
import { comingOf, type Fault, rawsOf, readForm } from "./value"

interface Given {
  fields: Field[]
  /** The value to begin with; what it does not say is the defaults'. */
  initial: unknown
  /** The beginning of the paths under which the server tells faults of this value. */
  prefix: string
  layout?: Layout | undefined
  /** What stands before the fields, while they make this value. */
  lead?: (value: unknown) => ReactNode
  /** Takes the value, and that of the button by which it was submitted. */
  onSubmit: (value: unknown, button: string | null) => Promise<unknown>
  /** Hears the value, and whether a file is still on its way to the server. */
  onChange?: (value: unknown, isComing: boolean) => void
  /** The buttons; those of the type `submit` submit. */
  children: (isBusy: boolean, value: unknown) => ReactNode
}

/** A form as the server describes it. It is checked at the first try to submit, and from then on as it is changed. */
export function Form({ fields, initial, prefix, layout, lead, onSubmit, onChange, children }: Given) {
  const id = useId()
  const [raws, setRaws] = useState<Raws>(() => rawsOf(fields, initial))
  const latest = useRef(raws) // an upload ends long after the form was drawn in which it began
  const [json, setJson] = useState<string | null>(null)
  const [served, setServed] = useState<Fault[]>([])
  const [failure, setFailure] = useState<Error | null>(null)
  const [wasTried, setTried] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const isSending = useRef(false) // a key can ask again before the button is drawn disabled
  const element = useRef<HTMLFormElement>(null)
  const summary = useRef<HTMLDivElement>(null)
  const shown = shownOf(fields, readForm(fields, raws).value)
  const made = json === null ? readForm(shown, raws) : readJson(json)
  const faults = wasTried ? [...made.faults, ...served] : []

  const hold = (next: Raws) => {
    latest.current = next
    setRaws(next)
  }
  const change = (pointer: string, raw: Raw) => {
    const next = { ...latest.current, [pointer]: raw }
    hold(next)
    setServed(known => known.filter(fault => !fault.path.startsWith(pointer)))
    const { value } = readForm(shownOf(fields, readForm(fields, next).value), next)
    onChange?.(value, Object.values(next).some(comingOf))
  }
  const changeJson = (text: string) => {
    setJson(text)
    setServed([])
    const { value, faults } = readJson(text)
    if (!faults.length) onChange?.(value, Object.values(latest.current).some(comingOf))
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const button = (event.nativeEvent as SubmitEvent).submitter as HTMLButtonElement | null
    if (isSending.current) return
    setTried(true)
    setServed([])
    setFailure(null)
    if (made.faults.length) return void requestAnimationFrame(() => summary.current?.focus())
    isSending.current = true
    setBusy(true)
    try {
      await onSubmit(made.value, button?.value ?? null)
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
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return
    element.current?.requestSubmit(element.current.querySelector<HTMLElement>("button[type=submit]"))
  }
  const toggleJson = () => {
    if (json === null) return setJson(stringifyJson(made.value, 2))
    if (made.faults.length === 0) hold(rawsOf(fields, made.value))
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
      {lead?.(made.value)}
      {json !== null ? (
        <label className="stacked">
          {t.jsonLabel}
          <textarea
            className="field code"
            rows={12}
            value={json}
            onChange={event => changeJson(event.target.value)}
          />
        </label>
      ) : fields.length === 0 ? (
        <p className="quiet">{t.noFields}</p>
      ) : (
        sectionsOf(shown, layout).map(section => (
          <Section key={section.title} section={section}>
            {section.fields.map(field => (
              <Control
                key={field.key}
                field={field}
                parent=""
                id={id}
                raws={raws}
                faults={faults}
                onChange={change}
              />
            ))}
          </Section>
        ))
      )}
      <footer className="form-foot">
        {children(isBusy, made.value)}
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

function readJson(text: string): { value: unknown; faults: Fault[] } {
  try {
    return { value: parseJson(text), faults: [] }
  } catch (error) {
    return { value: undefined, faults: [{ path: "", message: t.json((error as Error).message) }] }
  }
}
