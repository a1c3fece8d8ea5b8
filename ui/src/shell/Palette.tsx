import { useQuery } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react"
import { definitionsOptions } from "@/api/definitions"
import { may, meOptions } from "@/api/operations"
import { Icon } from "@/parts/Icon"
import { shell as texts } from "@/texts/shell"
import { choicesFor } from "./choices"

const t = texts.palette

/** Finds pages, tasks and runs by a few letters; the arrows choose, Enter goes there. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("")
  const [at, setAt] = useState(0)
  const dialog = useRef<HTMLDialogElement>(null)
  const navigate = useNavigate()
  const id = useId()
  const { data: me } = useQuery(meOptions)
  const { data: definitions } = useQuery({
    ...definitionsOptions,
    enabled: may(me, "tasks:read", "definitions:write"),
  })
  const choices = useMemo(() => choicesFor(text, me, definitions ?? []), [text, me, definitions])
  const chosen = Math.min(at, choices.length - 1)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])

  const go = (index: number) => {
    const choice = choices[index]
    if (!choice) return
    onClose()
    void navigate(choice.target)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter") go(chosen)
    else if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, choices.length - 1))
    else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0))
    else return
    event.preventDefault()
  }

  return (
    <dialog ref={dialog} className="palette" aria-label={t.title} onClose={onClose}>
      <input
        className="palette-input"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}list`}
        aria-activedescendant={choices.length ? `${id}${chosen}` : undefined}
        aria-label={t.title}
        placeholder={t.placeholder}
        value={text}
        onChange={event => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div id={`${id}list`} role="listbox" aria-label={t.title} className="palette-list">
        {choices.map((choice, k) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's
          <div
            key={choice.id}
            id={`${id}${k}`}
            role="option"
            tabIndex={-1}
            aria-selected={k === chosen}
            className="palette-choice"
            onClick={() => go(k)}
          >
            <Icon name={choice.icon} />
            <span>{choice.title}</span>
            <span className="quiet">{choice.about}</span>
          </div>
        ))}
      </div>
      {choices.length === 0 && <p className="quiet padded">{t.none}</p>}
    </dialog>
  )
}
