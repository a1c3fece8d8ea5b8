import { counted } from "@/lib/number"
import type { Link } from "@/live/follow"

export const output = {
  title: "Output",
  region: "Output of the run",
  lines: (count: number) => `${counted(count)} ${count === 1 ? "line" : "lines"}`,
  skipped: (count: number) => `${counted(count)} earlier lines are not shown here`,
  find: "Find in output",
  next: "Next match",
  previous: "Previous match",
  matches: (at: number, count: number) => (count ? `${at} of ${count}` : "none"),
  level: "Least level",
  levels: { debug: "All levels", info: "Info and worse", warning: "Warnings and worse", error: "Errors" },
  follow: "Follow",
  following: "Following",
  wrap: "Wrap",
  copy: "Copy",
  copied: "Output copied",
  save: "Save",
  none: "It has written nothing.",
  noneYet: "It has written nothing yet.",
  noneAtLevel: "No line is at this level.",
  links: {
    connecting: "Connecting",
    live: "Live",
    polling: "Live, by asking again",
    lost: "Connection lost, trying again",
    complete: "Complete",
  } satisfies Record<Link, string>,
}
