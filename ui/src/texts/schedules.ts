export const schedules = {
  title: "Schedules",
  about: "What is started again and again.",
  columns: { schedule: "Schedule", task: "Task", when: "When", next: "Next", last: "Last run" },
  every: (text: string) => `every ${text}`,
  paused: "Paused",
  pause: "Pause",
  resume: "Resume",
  runNow: "Run now",
  started: "Started",
  nextFive: "The next five times",
  never: "never",
  none: "No schedule is stored",
  noneHelp:
    "Make one with `taskyard schedules put`, with `yard.schedule` in Python, or with PUT /api/v1/schedules/{id}.",
}
