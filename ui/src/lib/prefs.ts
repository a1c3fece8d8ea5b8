import { useSyncExternalStore } from "react"
import { root } from "@/api/client"
import type { Zone } from "./time"

export type Theme = "system" | "light" | "dark"

/** What somebody has chosen for this browser. */
export interface Prefs {
  theme: Theme
  zone: Zone
  density: "normal" | "compact"
  shortcuts: boolean
}

const KEY = "taskyard.prefs"
const DEFAULTS: Prefs = { theme: "system", zone: "local", density: "normal", shortcuts: true }

let prefs: Prefs = { ...DEFAULTS, ...stored() }
const watchers = new Set<() => void>()

export const getPrefs = () => prefs

export function setPrefs(changes: Partial<Prefs>): void {
  prefs = { ...prefs, ...changes }
  localStorage.setItem(KEY, JSON.stringify(prefs))
  applyPrefs()
  for (const watcher of watchers) watcher()
}

export function usePrefs(): Prefs {
  return useSyncExternalStore(watch, getPrefs)
}

/** Put theme and density where the styles find them; the cookie has the server send the theme with the page. */
export function applyPrefs(): void {
  const { dataset } = document.documentElement
  if (prefs.theme === "system") delete dataset.theme
  else dataset.theme = prefs.theme
  dataset.density = prefs.density
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not everywhere
  document.cookie = `taskyard_theme=${prefs.theme}; path=${root}/; max-age=31536000; samesite=lax`
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

function stored(): Partial<Prefs> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Prefs>
  } catch {
    return {}
  }
}
