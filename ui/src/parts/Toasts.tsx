import { useSyncExternalStore } from "react"

const SHOWN_FOR = 5_000

let texts: { id: number; text: string }[] = []
let count = 0
const watchers = new Set<() => void>()

/** Say in passing what was done. */
export function notify(text: string): void {
  const id = ++count
  change([...texts, { id, text }])
  setTimeout(() => change(texts.filter(each => each.id !== id)), SHOWN_FOR)
}

function change(next: typeof texts): void {
  texts = next
  for (const watcher of watchers) watcher()
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

export function Toasts() {
  const shown = useSyncExternalStore(watch, () => texts)
  return (
    <div className="toasts" role="status">
      {shown.map(({ id, text }) => (
        <p key={id}>{text}</p>
      ))}
    </div>
  )
}
