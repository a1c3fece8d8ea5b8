import { counted } from "@/lib/number"

export const errors = {
  title: "Errors",
  about: "What fails, by its cause, the most frequent first.",
  hours: "Failures of tasks of the last",
  ranges: { "24": "24 hours", "168": "7 days", "720": "30 days" } as Record<string, string>,
  all: "All tasks",
  task: "Of which task",
  none: "Nothing has failed",
  noneHelp: "Failures of the time you look at are grouped here by task, code and message.",
  openRuns: "Open the runs",
  dead: (count: number) => `${counted(count)} dead`,
}
