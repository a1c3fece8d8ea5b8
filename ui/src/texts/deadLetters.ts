import { counted } from "@/lib/number"

export const deadLetters = {
  title: "Dead letters",
  about: "Runs whose last attempt has failed, by their cause.",
  none: "No dead letters",
  noneHelp: "A run lands here when its last attempt has failed.",
  requeue: "Run again",
  discard: "Discard",
  requeueTitle: (count: number) => `Run ${count} again?`,
  discardTitle: (count: number) => `Discard ${count} for good?`,
  dry: (able: number, of: number) =>
    able === of ? `All ${of} can be.` : `${able} of ${of} can be; the others are no dead letters any more.`,
  newest:
    "Of very many dead letters only the newest are counted here; older ones of this cause are meant too.",
  checking: "Looking which of them can be…",
  rate: "At most so many a second",
  rateHelp: "Empty for all at once.",
  newInput: "With another input",
  newInputHelp: "Replaces the input of each; it is checked first.",
  discardHelp: "They stay failed and cannot be run again.",
  typeCount: (count: number) => `Type ${count} to confirm`,
  requeued: (count: number) => `${counted(count)} queued again`,
  discarded: (count: number) => `${counted(count)} discarded`,
}
