import type { ReactNode } from "react"
import { form as t } from "@/texts/form"
import { FileControl } from "./FileControl"
import { type Field, type Kept, pointerTo, type Raw, type Raws } from "./field"
import type { ControlGiven } from "./given"
import type { Fault } from "./value"

interface Given {
  field: Field
  parent: string
  id: string
  raws: Raws
  faults: Fault[]
  onChange: (pointer: string, raw: Raw) => void
}

const FEW_OPTIONS = 3

/** A field with its label, help and faults; a group with its fields. */
export function Control(given: Given) {
  const { field, parent, id, raws, faults, onChange } = given
  const pointer = pointerTo(parent, field.key)
  if (field.widget === "group") {
    return (
      <fieldset className="group">
        <legend>{field.label}</legend>
        {field.help && <p className="quiet">{field.help}</p>}
        {field.fields?.map(inner => (
          <Control key={inner.key} {...given} field={inner} parent={pointer} />
        ))}
      </fieldset>
    )
  }
  const own = faults.filter(fault => fault.path === pointer || fault.path.startsWith(`${pointer}/`))
  const name = `${id}${pointer}`
  const notes = [field.help && `${name}help`, own.length && `${name}faults`].filter(Boolean).join(" ")
  const control: ControlGiven = {
    field,
    raw: raws[pointer] ?? "",
    onRaw: raw => onChange(pointer, raw),
    attributes: {
      id: name,
      "aria-describedby": notes || undefined,
      "aria-invalid": own.length > 0,
      "aria-required": field.required,
      disabled: field.readOnly === true,
    },
  }
  return (
    <Frame field={field} name={name} faults={own}>
      {controlOf(control)}
    </Frame>
  )
}

function Frame({
  field,
  name,
  faults,
  children,
}: {
  field: Field
  name: string
  faults: Fault[]
  children: ReactNode
}) {
  const isBox = field.widget === "checkbox" && !field.nullable
  const isSet = isRadio(field) || field.widget === "multiselect"
  const label = (
    <>
      {field.label}
      {!field.required && !isBox && <span className="quiet"> {t.optional}</span>}
      {field.unit && <span className="quiet"> ({field.unit})</span>}
    </>
  )
  const notes = (
    <>
      {field.help && (
        <p id={`${name}help`} className="quiet">
          {field.help}
        </p>
      )}
      {faults.length > 0 && (
        <p id={`${name}faults`} className="fault">
          {faults.map(fault => fault.message).join(" ")}
        </p>
      )}
    </>
  )
  if (isSet) {
    return (
      <fieldset className="control" id={name} aria-invalid={faults.length > 0}>
        <legend>{label}</legend>
        {notes}
        {children}
      </fieldset>
    )
  }
  return (
    <div className={isBox ? "control box" : "control"}>
      {isBox && children}
      <label htmlFor={name}>{label}</label>
      {notes}
      {!isBox && children}
    </div>
  )
}

const isRadio = ({ widget, options = [], required }: Field) =>
  widget === "radio" || (widget === "select" && required && options.length <= FEW_OPTIONS)

function controlOf(control: ControlGiven): ReactNode {
  const { field } = control
  if (isRadio(field)) return <Radios {...control} />
  switch (field.widget) {
    case "checkbox":
      return field.nullable ? <Select {...control} /> : <Checkbox {...control} />
    case "select":
      return <Select {...control} />
    case "multiselect":
      return <Checkboxes {...control} />
    case "file":
      return <FileControl {...control} />
    case "textarea":
    case "json":
    case "code":
      return <TextArea {...control} />
    default:
      return field.multiple ? <TextArea {...control} /> : <Input {...control} />
  }
}

const INPUT_TYPES: Record<string, string> = {
  password: "password",
  date: "date",
  datetime: "datetime-local",
  range: "range",
  integer: "text",
  number: "text",
}
const FORMAT_TYPES: Record<string, string> = { email: "email", uri: "url", time: "time" }

function Input({ field, raw, onRaw, attributes }: ControlGiven) {
  const isNumber = field.widget === "integer" || field.widget === "number"
  return (
    <input
      {...attributes}
      className={isNumber ? "field number short" : "field"}
      type={INPUT_TYPES[field.widget] ?? FORMAT_TYPES[field.format ?? ""] ?? "text"}
      inputMode={field.widget === "integer" ? "numeric" : isNumber ? "decimal" : undefined}
      autoComplete={field.widget === "password" ? "new-password" : "off"}
      min={field.min}
      max={field.max}
      step={field.step}
      placeholder={field.placeholder}
      value={raw as string}
      onChange={event => onRaw(event.target.value)}
    />
  )
}

function TextArea({ field, raw, onRaw, attributes }: ControlGiven) {
  const isCode = field.widget === "json" || field.widget === "code"
  return (
    <textarea
      {...attributes}
      className={isCode ? "field code" : "field"}
      rows={isCode ? 6 : 3}
      placeholder={field.multiple ? t.onePerLine : field.placeholder}
      value={raw as string}
      onChange={event => onRaw(event.target.value)}
    />
  )
}

function Checkbox({ raw, onRaw, attributes }: ControlGiven) {
  return (
    <input
      {...attributes}
      type="checkbox"
      checked={raw === true}
      onChange={event => onRaw(event.target.checked)}
    />
  )
}

function Select({ field, raw, onRaw, attributes }: ControlGiven) {
  const options = field.options?.map((option, k) => [String(k), option.label]) ?? [
    ["true", t.yes],
    ["false", t.no],
  ]
  return (
    <select
      {...attributes}
      className="field"
      value={String(raw)}
      onChange={event => onRaw(event.target.value)}
    >
      {(!field.required || raw === "") && <option value="">{t.nothing}</option>}
      {options.map(([value, label]) => (
        <option key={value} value={value}>
          {label}
        </option>
      ))}
    </select>
  )
}

function Radios({ field, raw, onRaw, attributes }: ControlGiven) {
  return field.options?.map((option, k) => (
    <label key={option.label} className="option">
      <input
        type="radio"
        name={attributes.id}
        disabled={attributes.disabled}
        aria-describedby={attributes["aria-describedby"]}
        checked={raw === String(k)}
        onChange={() => onRaw(String(k))}
      />
      {option.label}
    </label>
  ))
}

function Checkboxes({ field, raw, onRaw, attributes }: ControlGiven) {
  const chosen = Array.isArray(raw) ? (raw as string[] | Kept[]).map(String) : []
  const toggle = (place: string) =>
    onRaw(
      chosen.includes(place)
        ? chosen.filter(each => each !== place)
        : [...chosen, place].sort((a, b) => Number(a) - Number(b)),
    )
  return field.options?.map((option, k) => (
    <label key={option.label} className="option">
      <input
        type="checkbox"
        disabled={attributes.disabled}
        aria-describedby={attributes["aria-describedby"]}
        checked={chosen.includes(String(k))}
        onChange={() => toggle(String(k))}
      />
      {option.label}
    </label>
  ))
}
