import { useNavigate } from "@tanstack/react-router"
import { useEffect, useEffectEvent, useRef } from "react"
import { isTaken } from "@/lib/keys"
import { getPrefs, setPrefs } from "@/lib/prefs"
import { changes } from "@/live/changes"
import { PLACES } from "./places"

const CHORD_WITHIN = 1_200

/** The keyboard of the whole interface. Single letters are left alone in fields and dialogs. */
export function useShortcuts({ onPalette, onSheet }: { onPalette: () => void; onSheet: () => void }): void {
  const navigate = useNavigate()
  const chordAt = useRef(Number.NEGATIVE_INFINITY)
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault()
      onPalette()
    } else if (!event.ctrlKey && !event.metaKey && !event.altKey && getPrefs().shortcuts && !isTaken(event)) {
      const isChord = event.timeStamp - chordAt.current < CHORD_WITHIN
      chordAt.current = event.key === "g" ? event.timeStamp : Number.NEGATIVE_INFINITY
      const place = isChord ? PLACES.find(each => each.key === event.key) : undefined
      if (place) void navigate({ to: place.to })
      else if (single(event.key, onSheet)) event.preventDefault()
    }
  })
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event)
    document.addEventListener("keydown", listener)
    return () => document.removeEventListener("keydown", listener)
  }, [])
}

/** Do what a single key does; whether it does anything. */
function single(key: string, onSheet: () => void): boolean {
  if (key === "?") onSheet()
  else if (key === "r") changes.toggle()
  else if (key === "t") setPrefs({ theme: getPrefs().theme === "dark" ? "light" : "dark" })
  else if (key === "/") document.querySelector<HTMLElement>("[data-filter]")?.focus()
  else return false
  return true
}
