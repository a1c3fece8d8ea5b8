import { useSyncExternalStore } from "react"

const TICK = 1000

let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined
const watchers = new Set<() => void>()

/** The time, told again each second; one timer for the whole page. */
export function useNow(): number {
  return useNowAs(now => now)
}

/** What is made of the time; told again only when that is another. */
export function useNowAs<T extends string | number>(make: (now: number) => T): T {
  return useSyncExternalStore(watch, () => make(now))
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  timer ??= setInterval(tick, TICK)
  return () => {
    watchers.delete(watcher)
    if (watchers.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

function tick(): void {
  now = Date.now()
  for (const watcher of watchers) watcher()
}
