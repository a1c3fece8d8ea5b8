import { useEffect, useEffectEvent, useSyncExternalStore } from "react"
import { socketAddress } from "./messages"

/** Which tasks have changed; `more`: others have, too. Null where it is not known and all may have. */
export interface Change {
  taskIds: ReadonlySet<string>
  more: boolean
}

type Listener = (change: Change | null) => void

const POLL_EVERY = 3_000
const POLL_HIDDEN_EVERY = 15_000

/** One connection for all lists of the page, open while any of them listens. */
class Changes {
  private listeners = new Set<Listener>()
  private watchers = new Set<() => void>()
  private socket: WebSocket | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  isPaused = false

  listen(listener: Listener): () => void {
    this.listeners.add(listener)
    if (this.listeners.size === 1) this.connect()
    return () => {
      this.listeners.delete(listener)
      if (this.listeners.size === 0) this.disconnect()
    }
  }

  toggle = (): void => {
    this.isPaused = !this.isPaused
    for (const watcher of this.watchers) watcher()
    if (!this.isPaused) this.tell(null)
  }

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  private connect(): void {
    const socket = new WebSocket(socketAddress("/ws/changes"))
    socket.onmessage = event => {
      const told = JSON.parse(event.data as string) as { taskIds: string[]; more: boolean }
      this.tell({ taskIds: new Set(told.taskIds), more: told.more })
    }
    socket.onopen = () => clearTimeout(this.timer)
    socket.onclose = () => {
      if (this.socket === socket) this.poll()
    }
    this.socket = socket
  }

  /** Without a connection: look now and then, and try to connect again. */
  private poll(): void {
    const wait = document.hidden ? POLL_HIDDEN_EVERY : POLL_EVERY
    this.timer = setTimeout(() => {
      this.tell(null)
      this.connect()
    }, wait)
  }

  private disconnect(): void {
    clearTimeout(this.timer)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  private tell(change: Change | null): void {
    if (!this.isPaused) for (const listener of this.listeners) listener(change)
  }
}

export const changes = new Changes()

/** Call back when tasks change, while live updates are not paused. */
export function useChanges(onChange: Listener): void {
  const told = useEffectEvent(onChange)
  useEffect(() => changes.listen(change => told(change)), [])
}

/** Whether live updates are paused. */
export const usePaused = () => useSyncExternalStore(changes.watch, () => changes.isPaused)
