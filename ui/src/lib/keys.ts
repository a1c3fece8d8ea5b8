import { useEffect, useEffectEvent } from "react"
import { getPrefs } from "./prefs"

/** Whether the key belongs to a field or a dialog. */
export function isTaken(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement
  return target.closest("input, textarea, select, dialog, [contenteditable]") !== null
}

/**
 * Call back for keys that belong to the page: no modifiers but Shift, no field or dialog around. Single characters are
 * left out where somebody has turned them off.
 */
export function useKeys(onKey: (event: KeyboardEvent) => void): void {
  const told = useEffectEvent((event: KeyboardEvent) => {
    const isAllowed = event.key.length > 1 || getPrefs().shortcuts
    if (isAllowed && !isTaken(event) && !event.ctrlKey && !event.metaKey && !event.altKey) onKey(event)
  })
  useEffect(() => {
    const listener = (event: KeyboardEvent) => told(event)
    document.addEventListener("keydown", listener)
    return () => document.removeEventListener("keydown", listener)
  }, [])
}
