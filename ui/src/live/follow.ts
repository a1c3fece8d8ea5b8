import { ApiError, get } from "@/api/client"
import { type Message, socketAddress } from "./messages"

/** How the connection to a run stands. */
export type Link = "connecting" | "live" | "polling" | "lost" | "complete"

/** What following needs of the world around it. */
export interface World {
  open: (address: string) => WebSocket
  poll: (runId: string, after: number, signal: AbortSignal) => Promise<Message[]>
  /** Call back after so many milliseconds; returns how not to. */
  later: (callback: () => void, delay: number) => () => void
  chance: () => number
}

interface Listener {
  onMessages: (messages: Message[]) => void
  onLink: (link: Link) => void
}

const FIRST_DELAY = 250
const LONGEST_DELAY = 15_000
const REFUSALS_BEFORE_POLLING = 2
const NO_LONGER_ALLOWED = 1008

export const browser: World = {
  open: address => new WebSocket(address),
  poll: async (runId, after, signal) => {
    const page = await get("/api/v1/tasks/{taskId}/messages", {
      path: { taskId: runId },
      query: { after, wait: 20 },
      signal,
    })
    return page.items as unknown as Message[]
  },
  later: (callback, delay) => {
    const timer = setTimeout(callback, delay)
    return () => clearTimeout(timer)
  },
  chance: Math.random,
}

/**
 * Follow a run: every message with a sequence above `after` once and in order, through lost connections, from the
 * sequence last seen on. Where sockets are refused it polls. Returns how to stop.
 */
export function follow(runId: string, listener: Listener, after = 0, world: World = browser): () => void {
  const follower = new Follower(runId, listener, after, world)
  follower.connect()
  return () => follower.stop()
}

class Follower {
  private failures = 0
  private refusals = 0
  private stopped = false
  private socket: WebSocket | null = null
  private aborter = new AbortController()
  private cancelTimer = () => {}

  constructor(
    private readonly runId: string,
    private readonly listener: Listener,
    private seen: number,
    private readonly world: World,
  ) {}

  stop(): void {
    this.stopped = true
    this.cancelTimer()
    this.aborter.abort()
    this.socket?.close()
  }

  connect = (): void => {
    if (this.stopped) return
    if (this.refusals >= REFUSALS_BEFORE_POLLING) return void this.poll()
    const socket = this.world.open(socketAddress(`/ws/task/${this.runId}?batch=true&after=${this.seen}`))
    let opened = false
    socket.onopen = () => {
      opened = true
      this.refusals = 0
      this.listener.onLink("live")
    }
    socket.onmessage = event => {
      this.failures = 0
      this.take(JSON.parse(event.data as string) as Message[])
    }
    socket.onclose = event => {
      if (!opened) this.refusals += 1
      if (this.stopped) return
      // Why, the answer to a request tells; that to who is logged out leads to the login.
      if (event.code === NO_LONGER_ALLOWED) void this.poll()
      else this.again()
    }
    this.socket = socket
  }

  private async poll(): Promise<void> {
    try {
      const messages = await this.world.poll(this.runId, this.seen, this.aborter.signal)
      if (this.stopped) return
      this.failures = 0
      this.listener.onLink("polling")
      this.take(messages)
      this.cancelTimer = this.world.later(this.connect, messages.length ? 0 : FIRST_DELAY)
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) this.giveUp()
      else this.again()
    }
  }

  private giveUp(): void {
    this.stop()
    this.listener.onLink("lost")
  }

  private again(): void {
    if (this.stopped) return
    if (this.failures > 0 || this.refusals === 0) this.listener.onLink("lost")
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.failures)
    this.failures += 1
    this.cancelTimer = this.world.later(this.connect, delay * (0.7 + 0.6 * this.world.chance()))
  }

  private take(messages: Message[]): void {
    const fresh = messages.filter(message => message.sequence > this.seen || message.type === "end")
    for (const message of fresh) this.seen = Math.max(this.seen, message.sequence)
    if (fresh.some(message => message.type === "end")) {
      this.stop()
      this.listener.onMessages(fresh)
      this.listener.onLink("complete")
    } else if (fresh.length) this.listener.onMessages(fresh)
  }
}
