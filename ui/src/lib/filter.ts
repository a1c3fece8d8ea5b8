import type { TaskQuery } from "@/api/tasks"

/** Something in a filter that means nothing, with its place and what to do about it. */
export interface Problem {
  start: number
  end: number
  message: string
}

export interface Filter {
  query: TaskQuery
  problems: Problem[]
}

interface Term {
  key: string | null
  value: string
  start: number
  end: number
}

const STATUSES: Record<string, NonNullable<TaskQuery["status"]>> = {
  queued: ["PENDING"],
  scheduled: ["PENDING"],
  pending: ["PENDING"],
  running: ["RUNNING"],
  retrying: ["RETRYING"],
  assigned: ["ASSIGNED"],
  waiting: ["WAITING"],
  succeeded: ["COMPLETED"],
  completed: ["COMPLETED"],
  failed: ["FAILED"],
  dead: ["FAILED"],
  cancelled: ["CANCELED"],
  canceled: ["CANCELED"],
  open: ["PENDING", "RUNNING", "RETRYING", "ASSIGNED", "WAITING"],
}

const TEXT_FIELDS: Record<string, keyof TaskQuery> = {
  task: "definition",
  tag: "tag",
  workflow: "workflowId",
  correlation: "correlationId",
  parent: "parentTaskId",
  assignee: "assignee",
  cause: "cause",
  causetype: "causeType",
}

const TYPES = ["automated", "integration", "manual"]
const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The words that may stand before a colon. */
export const KEYS = [
  "state",
  "task",
  "type",
  "tag",
  "workflow",
  "correlation",
  "parent",
  "assignee",
  "cause",
  "age",
]

/** The values that may follow a key, as far as they are few. */
export const VALUES: Record<string, string[]> = {
  state: ["running", "queued", "retrying", "assigned", "waiting", "failed", "succeeded", "cancelled", "open"],
  type: TYPES,
  age: ["<1h", "<24h", ">7d"],
}

/** What a filter's text asks for; `now` is what ages count from. */
export function parseFilter(text: string, now: number): Filter {
  const query: TaskQuery = {}
  const problems: Problem[] = []
  const words: string[] = []
  for (const term of termsOf(text)) {
    const message = term.key === null ? void words.push(term.value) : apply(query, term.key, term.value, now)
    if (message) problems.push({ start: term.start, end: term.end, message })
  }
  if (words.length) query.q = words.join(" ")
  return { query, problems }
}

/** The filter with one key's value changed, or without it. */
export function withTerm(text: string, key: string, value: string | null): string {
  const kept = termsOf(text)
    .filter(term => term.key !== key)
    .map(term => text.slice(term.start, term.end))
  if (value !== null) kept.unshift(`${key}:${/\s/.test(value) ? JSON.stringify(value) : value}`)
  return kept.join(" ")
}

/** The value a key has in the filter. */
export const termOf = (text: string, key: string) =>
  termsOf(text).find(term => term.key === key)?.value ?? null

function termsOf(text: string): Term[] {
  const found = text.matchAll(/(?:([a-z]+):)?("(?:[^"\\]|\\.)*"?|\S+)/gi)
  return [...found].map(match => ({
    key: match[1]?.toLowerCase() ?? null,
    value: unquoted(match[2] ?? ""),
    start: match.index,
    end: match.index + match[0].length,
  }))
}

const unquoted = (text: string) =>
  text.startsWith('"') ? text.slice(1).replace(/"$/, "").replaceAll(/\\(.)/g, "$1") : text

function apply(query: TaskQuery, key: string, value: string, now: number): string | undefined {
  if (key === "state") return applyStates(query, value)
  if (key === "type") return applyType(query, value)
  if (key === "age") return applyAge(query, value, now)
  const field = TEXT_FIELDS[key]
  if (field === undefined) return `“${key}” is no field; there are ${KEYS.join(", ")}`
  if (field === "parentTaskId" && !/^\d{1,19}$/.test(value)) return "a parent is named by its id, a number"
  Object.assign(query, { [field]: value })
  return undefined
}

function applyStates(query: TaskQuery, value: string): string | undefined {
  const names = value.toLowerCase().split(",")
  const unknown = names.find(name => !(name in STATUSES))
  if (unknown !== undefined) return `“${unknown}” is no state; there are ${VALUES.state?.join(", ")}`
  query.status = [...new Set(names.flatMap(name => STATUSES[name] ?? []))]
  return undefined
}

function applyType(query: TaskQuery, value: string): string | undefined {
  const names = value.toLowerCase().split(",")
  if (!names.every(name => TYPES.includes(name))) return `a type is one of ${TYPES.join(", ")}`
  query.taskType = names.map(name => name.toUpperCase()) as NonNullable<TaskQuery["taskType"]>
  return undefined
}

function applyAge(query: TaskQuery, value: string, now: number): string | undefined {
  const match = /^([<>])(\d+)([smhd])$/.exec(value)
  if (!match) return "an age is written like <2h or >7d, with s, m, h or d"
  const moment = new Date(now - Number(match[2]) * (UNITS[match[3] ?? ""] ?? 0)).toISOString()
  if (match[1] === "<") query.createdAfter = moment
  else query.createdBefore = moment
  return undefined
}

/** What could come next where the cursor stands at the text's end. */
export function suggestions(text: string, values: Record<string, string[]>): string[] {
  const word = /\S*$/.exec(text)?.[0] ?? ""
  const [, key, begun] = /^([a-z]+):(.*)$/i.exec(word) ?? []
  if (key === undefined) return word ? KEYS.filter(each => each.startsWith(word)).map(each => `${each}:`) : []
  const known = { ...VALUES, ...values }[key] ?? []
  return known.filter(each => each.startsWith(begun ?? "") && each !== begun).map(each => `${key}:${each}`)
}

/** The text with its last word replaced by a suggestion. */
export function complete(text: string, suggestion: string): string {
  return text.replace(/\S*$/, suggestion) + (suggestion.endsWith(":") ? "" : " ")
}
