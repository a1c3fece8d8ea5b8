import { counted } from "@/lib/number"

export const causes = {
  count: (count: number) => (count === 1 ? "1 failure" : `${counted(count)} failures`),
  first: "the first",
  last: "the last",
  show: (shown: number, of: number) => (shown < of ? `Show the latest ${shown} runs` : "Show the runs"),
  overTime: (counts: number[]) =>
    `How many failed over time, the earliest first: ${counts.map(count => counted(count)).join(", ")}`,
  searched: (count: number, isAll: boolean) =>
    isAll
      ? `${counted(count)} failures are grouped here.`
      : `The latest ${counted(count)} failures are grouped here.`,
}
