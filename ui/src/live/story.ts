import type { Status } from "@/api/tasks"
import type { Link } from "./follow"
import type { Message, ProgressMessage } from "./messages"

/** One line of output; `number` counts from 1. */
export interface Line {
  number: number
  at: number
  level: string
  text: string
}

const MOST_LINES = 100_000

/**
 * Everything a run has told so far. It grows in place, so that 50,000 lines cost no copies; `version` tells of it once
 * somebody has it `tell`.
 */
export class Story {
  lines: Line[] = []
  /** Lines that are no longer kept here, or that the server skipped. */
  skipped = 0
  progress: ProgressMessage | null = null
  status: Status | null = null
  link: Link = "connecting"
  version = 0
  /** Whether more lines come than could all be drawn. */
  isFlood = false
  /** The highest sequence that was told. */
  last = 0
  private waiting: Line[] = []
  private told = 0
  private listeners = new Set<() => void>()

  /** Keep what has come for the next time somebody is told; returns how many lines wait for that. */
  take(messages: Message[]): number {
    for (const message of messages) this.takeOne(message)
    return this.waiting.length
  }

  /** Have listeners see what has come. */
  tell(isFlood: boolean): void {
    this.isFlood = isFlood
    for (const line of this.waiting) this.lines.push(line)
    this.waiting = []
    if (this.lines.length > MOST_LINES) {
      const excess = this.lines.length - MOST_LINES * 0.9
      this.lines = this.lines.slice(excess)
      this.skipped += excess
    }
    this.changed()
  }

  /** Begin anew. */
  forget(): void {
    this.lines = []
    this.waiting = []
    this.skipped = this.told = this.last = 0
    this.progress = this.status = null
    this.changed()
  }

  connected(link: Link): void {
    this.link = link
    this.changed()
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private takeOne(message: Message): void {
    this.last = Math.max(this.last, message.sequence)
    if (message.type === "log") {
      const at = Date.parse(message.at)
      for (const text of message.text.split("\n"))
        this.waiting.push({ number: ++this.told, at, level: message.level, text })
    } else if (message.type === "progress") this.progress = message
    else if (message.type === "status" || message.type === "result") this.status = message.status
    else if (message.type === "gap") {
      this.told += message.skipped
      this.skipped += message.skipped
    }
  }

  private changed(): void {
    this.version += 1
    for (const listener of this.listeners) listener()
  }
}
