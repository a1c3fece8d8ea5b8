import { useQuery } from "@tanstack/react-query"
import { useEffect, useEffectEvent, useRef, useSyncExternalStore } from "react"
import { may, meOptions } from "@/api/operations"
import { ANYTHING, type Change, Intake } from "./intake"
import { socketAddress } from "./messages"

type Listener = (change: Change) => void

const POLL_EVERY = 3_000
const POLL_HIDDEN_EVERY = 15_000

/** One connection for all lists of the page, open while any of them listens; polls where there is none. */
class Changes {
  private listeners = new Set<Listener>()
  private watchers = new Set<() => void>()
  private socket: WebSocket | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  /** Whether whoever looks may be told by a socket. */
  mayConnect = true
  isPaused = false

  listen(listener: Listener): () => void {
    this.listeners.add(listener)
    if (this.listeners.size === 1) this.begin()
    return () => {
      this.listeners.delete(listener)
      if (this.listeners.size === 0) this.disconnect()
    }
  }

  toggle = (): void => {
    this.isPaused = !this.isPaused
    for (const watcher of this.watchers) watcher()
    if (!this.isPaused) this.tell(ANYTHING)
  }

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  private begin(): void {
    if (this.mayConnect) this.connect()
    else this.poll()
  }

  private connect(): void {
    const socket = new WebSocket(socketAddress("/ws/changes"))
    socket.onmessage = event => {
      const told = JSON.parse(event.data as string) as { taskIds: string[]; more: boolean }
      this.tell({ taskIds: new Set(told.taskIds), more: told.more })
    }
    socket.onclose = () => {
      if (this.socket === socket) this.poll()
    }
    this.socket = socket
  }

  /** Without a connection: look now and then, and try to connect again. */
  private poll(): void {
    const wait = document.hidden ? POLL_HIDDEN_EVERY : POLL_EVERY
    this.timer = setTimeout(() => {
      this.tell(ANYTHING)
      this.begin()
    }, wait)
  }

  private disconnect(): void {
    clearTimeout(this.timer)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  private tell(change: Change): void {
    if (!this.isPaused) for (const listener of this.listeners) listener(change)
  }
}

export const changes = new Changes()

/** Milliseconds between two looks at what costs the server more than a row. */
export const SPARING = 2_000

/**
 * Call back when tasks change, while live updates are not paused: one change after the other, each once the work for
 * the one before has ended, and `rest` milliseconds besides. While `isHeld` they are gathered.
 */
export function useChanges(onChange: (change: Change) => unknown, isHeld = false, rest = 0): void {
  const { data: me } = useQuery(meOptions)
  const mayConnect = me && may(me, "tasks:read")
  const work = useEffectEvent(onChange)
  const intake = useRef<Intake>(null)
  useEffect(() => {
    if (mayConnect === undefined) return
    changes.mayConnect = mayConnect
    const own = new Intake(change => work(change), rest)
    intake.current = own
    return changes.listen(change => own.add(change))
  }, [mayConnect, rest])
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new intake has to be held as well
  useEffect(() => intake.current?.hold(isHeld), [isHeld, mayConnect, rest])
}

/** Whether live updates are paused. */
export const usePaused = () => useSyncExternalStore(changes.watch, () => changes.isPaused)
