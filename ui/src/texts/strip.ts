import type { State } from "@/lib/state"
import { states } from "./states"

export const strip = {
  summary: (counts: Map<string, number>) => {
    const parts = [...counts].map(([state, count]) => `${count} ${states[state as State].toLowerCase()}`)
    return parts.length ? `Latest runs: ${parts.join(", ")}` : "No runs yet"
  },
  bar: (state: State, took: string) => `${states[state]}, ${took}`,
}
