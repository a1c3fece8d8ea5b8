import { useEffect, useId, useState } from "react"
import { complete, type Problem, suggestions } from "@/lib/filter"
import { runs as t } from "@/texts/runs"

const SETTLE = 250

interface Given {
  text: string
  problems: Problem[]
  tasks: string[]
  onText: (text: string) => void
}

/** The filter as text. What is typed is never written over; it takes effect when the hand rests. */
export function FilterBar({ text, problems, tasks, onText }: Given) {
  const [typed, setTyped] = useState(text)
  const [isFocused, setFocused] = useState(false)
  const id = useId()
  const offers = isFocused ? suggestions(typed, { task: tasks }) : []
  useEffect(() => {
    if (!isFocused) setTyped(text)
  }, [text, isFocused])
  useEffect(() => {
    if (!isFocused || typed.trim() === text) return
    const timer = setTimeout(() => onText(typed.trim()), SETTLE)
    return () => clearTimeout(timer)
  }, [typed, text, isFocused, onText])
  const take = (offer: string | undefined) => offer !== undefined && setTyped(complete(typed, offer))
  return (
    <div className="filter">
      <input
        className="field"
        type="search"
        data-filter
        aria-label={t.filter}
        aria-describedby={problems.length ? `${id}problems` : undefined}
        aria-invalid={problems.length > 0}
        placeholder={t.placeholder}
        value={typed}
        onFocus={() => setFocused(true)}
        onBlur={() => {
          setFocused(false)
          onText(typed.trim())
        }}
        onChange={event => setTyped(event.target.value)}
        onKeyDown={event => {
          if (event.key === "Tab" && !event.shiftKey && offers[0] && typed.trim()) {
            event.preventDefault()
            take(offers[0])
          }
          if (event.key === "Enter") onText(typed.trim())
        }}
      />
      {offers.length > 0 && (
        <div className="chips filter-offers">
          {offers.slice(0, 10).map(offer => (
            <button
              key={offer}
              type="button"
              className="chip"
              onPointerDown={event => event.preventDefault()}
              onClick={() => take(offer)}
            >
              {offer}
            </button>
          ))}
        </div>
      )}
      {problems.length > 0 && (
        <ul id={`${id}problems`} className="filter-problems">
          {problems.map(problem => (
            <li key={problem.start}>
              <code>{text.slice(problem.start, problem.end)}</code> {problem.message}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
