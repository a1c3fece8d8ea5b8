import { useSyncExternalStore } from "react"
import { common } from "@/texts/common"

const SHOWN_FOR = 5_000
const UNDO_FOR = 10_000

interface Toast {
  id: number
  text: string
  undo?: (() => Promise<unknown>) | undefined
}

let toasts: Toast[] = []
let count = 0
const watchers = new Set<() => void>()

/** Say in passing what was done, and offer to undo it where that can be done. */
export function notify(text: string, undo?: () => Promise<unknown>): void {
  const id = ++count
  change([...toasts, { id, text, undo }])
  setTimeout(() => dismiss(id), undo ? UNDO_FOR : SHOWN_FOR)
}

/** Do something; where it fails, say so. Whether it went well. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    notify((error as Error).message)
    return false
  }
}

const dismiss = (id: number) => change(toasts.filter(each => each.id !== id))

function change(next: Toast[]): void {
  toasts = next
  for (const watcher of watchers) watcher()
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

export function Toasts() {
  const shown = useSyncExternalStore(watch, () => toasts)
  return (
    <div className="toasts" role="status">
      {shown.map(({ id, text, undo }) => (
        <p key={id}>
          {text}
          {undo && (
            <button
              type="button"
              className="toast-undo"
              onClick={() => {
                dismiss(id)
                void attempt(undo)
              }}
            >
              {common.undo}
            </button>
          )}
        </p>
      ))}
    </div>
  )
}
