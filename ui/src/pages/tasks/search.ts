import type { Definition } from "@/api/definitions"

/** Which definitions are wanted; what is empty does not matter. */
export interface Wanted {
  q: string
  category: string
  tag: string
  flag: string
}

const ORDER = ["maintenance", "data", "admin", "report"]
const LAST = 99

/** The definitions that fit, those whose title begins with the text first. */
export function search(definitions: Definition[], { q, category, tag, flag }: Wanted): Definition[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean)
  return definitions
    .filter(each => !category || each.category === (category === "other" ? "" : category))
    .filter(each => !tag || each.tags.includes(tag))
    .filter(each => !flag || flagsOf(each).includes(flag))
    .filter(each => words.every(word => textOf(each).includes(word)))
    .sort((a, b) => titleOf(a).localeCompare(titleOf(b)))
}

export const titleOf = (definition: Definition) => definition.title || definition.key

/** What is special about a definition: `danger`, `expense`, and its type where it is not the usual one. */
export function flagsOf(definition: Definition): string[] {
  return [
    ...(definition.danger ? ["danger"] : []),
    ...(definition.expense ? ["expense"] : []),
    ...(definition.taskType === "AUTOMATED" ? [] : [definition.taskType]),
  ]
}

/** The definitions by category, the known ones first and those without one last. */
export function grouped(definitions: Definition[]): [category: string, definitions: Definition[]][] {
  const groups = new Map<string, Definition[]>()
  for (const each of definitions) groups.set(each.category, [...(groups.get(each.category) ?? []), each])
  const rank = (category: string) => (category === "" ? LAST : (ORDER.indexOf(category) + LAST) % LAST)
  return [...groups].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
}

const textOf = ({ key, title, description, tags }: Definition) =>
  `${key} ${title} ${description} ${tags.join(" ")}`.toLowerCase()
