import type { Brief, Task } from "@/api/tasks"
import { type State, stateOfTask } from "@/lib/state"
import { useNowAs } from "@/lib/useNow"
import { states } from "@/texts/states"
import { Icon, type IconName } from "./Icon"

const GLYPHS: Record<State, IconName> = {
  queued: "ring",
  scheduled: "clock",
  running: "turning",
  retrying: "again",
  assigned: "person",
  waiting: "plug",
  failed: "cross",
  dead: "letter",
  succeeded: "check",
  cancelled: "barred",
}

/** A state as glyph, word and colour, never by colour alone. */
export function StateMark({ state }: { state: State }) {
  return (
    <span className={`state st-${state}`}>
      <Icon name={GLYPHS[state]} turns={state === "running"} />
      {states[state]}
    </span>
  )
}

export function TaskState({ task }: { task: Task | Brief }) {
  return <StateMark state={useNowAs(now => stateOfTask(task, now))} />
}
