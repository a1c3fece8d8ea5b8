import type { State } from "@/lib/state"

export const states: Record<State, string> = {
  queued: "Queued",
  scheduled: "Scheduled",
  running: "Running",
  retrying: "Retrying",
  assigned: "Waiting for a person",
  waiting: "Waiting for a system",
  failed: "Failed",
  dead: "Dead letter",
  succeeded: "Succeeded",
  cancelled: "Cancelled",
}
