import { root } from "@/api/client"
import type { Status } from "@/api/tasks"

interface Told {
  sequence: number
  at: string
}

export interface LogMessage extends Told {
  type: "log"
  level: string
  text: string
}

export interface ProgressMessage extends Told {
  type: "progress"
  current: number
  total: number | null
  action: string | null
  percent: number | null
}

/** What a run's socket sends, and what the poll answers. */
export type Message =
  | LogMessage
  | ProgressMessage
  | (Told & { type: "status"; status: Status })
  | (Told & { type: "result"; status: Status })
  | (Told & { type: "gap"; skipped: number })
  | (Told & { type: "end" })

/** The address of a socket of this server. */
export function socketAddress(path: string): string {
  return `${location.origin.replace(/^http/, "ws")}${root}${path}`
}
