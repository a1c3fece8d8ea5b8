import { counted } from "@/lib/number"

export const events = {
  title: "Events",
  about: "Everything that happens to tasks, the newest first, as it is published.",
  filter: "Filter events",
  placeholder: "A routing key, a task’s id or any text",
  columns: { at: "When", type: "Event", task: "Task", data: "Facts" },
  skipped: (count: number) =>
    `${counted(count)} events came faster than they can be shown here and were left out.`,
  none: "Nothing has happened yet",
  noneHelp: "Start a task; its events appear here.",
  noneFits: "No event among the latest fits",
}
