import type { Status } from "@/api/tasks"
import { counted } from "@/lib/number"
import { stateOf } from "@/lib/state"
import { states } from "./states"

const wordOf = (status: string) => states[stateOf(status as Status)].toLowerCase()

export const runs = {
  title: "Runs",
  filter: "Filter runs",
  placeholder: "state:failed task:back-up-database tag:billing age:<24h or the beginning of a title or id",
  states: "States",
  last24: "Counts are of the last 24 hours",
  columns: {
    select: "Select",
    state: "State",
    task: "Task",
    run: "Run",
    attempt: "Attempt",
    waited: "Waited",
    took: "Took",
    created: "Created",
  },
  selectAll: "Select all rows",
  selectOne: (id: string) => `Select run ${id}`,
  selected: (count: number) => `${counted(count)} selected; updates are held meanwhile`,
  everything: "Everything that fits the filter is selected",
  selectEverything: "Select everything that fits",
  clear: "Clear the selection",
  cancel: "Cancel",
  retry: "Run again",
  fresh: (count: number, orMore: boolean) =>
    count === 1 ? "1 new run" : `${count}${orMore ? " or more" : ""} new runs`,
  none: "No run fits this filter",
  noneAtAll: "Nothing has run yet",
  noneHelp: "Start a task in the browser, or in Python with `await my_task.start()`.",
  clearFilter: "Clear the filter",
  goToTasks: "See the tasks",
  export: "Export",
  exported: (count: number) => `${count} runs saved`,
  bulk: {
    label: "What to do with the selected runs",
    title: { cancel: "Cancel these runs?", retry: "Run these again?" },
    looking: "Looking which of them can be…",
    will: (
      verb: "cancel" | "retry",
      { changed, kept, isAll }: { changed: number; kept: Record<string, number>; isAll: boolean },
    ) => {
      const stay = Object.entries(kept)
      const count = `${counted(changed)}${isAll ? "" : " or more"}`
      const will = verb === "cancel" ? `${count} will be cancelled.` : `${count} will be queued again.`
      const total = stay.reduce((sum, [, each]) => sum + each, 0)
      const words = stay.map(([status, each]) => `${counted(each)} ${wordOf(status)}`)
      const stays = total === 1 ? "stays as it is" : "stay as they are"
      return total ? `${will} ${counted(total)} ${stays}: ${words.join(", ")}.` : will
    },
    through: (count: number) => `${counted(count)} are through`,
    typeCount: (count: number) => `Type ${count} to confirm`,
    done: {
      cancel: (count: number) => `${counted(count)} cancelled`,
      retry: (count: number) => `${counted(count)} queued again`,
    },
  },
  views: {
    title: "Saved views",
    save: "Save this view",
    name: "Name of the view",
    share: "Everybody sees it",
    of: (name: string, owner: string) => `${name} (${owner})`,
    remove: (name: string) => `Forget the view ${name}`,
    removed: (name: string) => `The view ${name} is forgotten`,
  },
}
