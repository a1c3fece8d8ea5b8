export const audit = {
  title: "Audit",
  about: "Who did what, the latest first.",
  of: "Done to what",
  ofTasks: "Tasks",
  ofServer: "Everything else",
  facts: "Facts",
  nothing: "Nothing was done yet",
  by: "Done by",
  event: "Event, such as task.canceled",
  columns: { at: "When", by: "Who", event: "What", task: "Task", reason: "Why" },
  none: "Nobody has done anything by hand",
  noneHelp:
    "What people and programs do to tasks (cancel, claim, hand over, complete, requeue) is listed here.",
  noneFits: "Nothing like this was found",
  details: "All of it",
  export: "Save as CSV",
}
