import { IconButton } from "@/parts/Button"
import { output as t } from "@/texts/output"

interface Given {
  text: string
  onText: (text: string) => void
  /** Which match is shown, counted from 1. */
  at: number
  count: number
  onGo: (step: number) => void
}

/** Searches the output: Enter goes on, Shift+Enter back. */
export function Finder({ text, onText, at, count, onGo }: Given) {
  return (
    <span className="finder">
      <input
        className="field"
        type="search"
        placeholder={t.find}
        aria-label={t.find}
        value={text}
        onChange={event => onText(event.target.value)}
        onKeyDown={event => event.key === "Enter" && onGo(event.shiftKey ? -1 : 1)}
      />
      {text && (
        <>
          <span className="quiet number" role="status">
            {t.matches(at, count)}
          </span>
          <IconButton icon="up" label={t.previous} onClick={() => onGo(-1)} />
          <IconButton icon="down" label={t.next} onClick={() => onGo(1)} />
        </>
      )}
    </span>
  )
}
