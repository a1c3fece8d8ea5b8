import type { TaskQuery } from "@/api/tasks"
import { filter as t } from "@/texts/filter"

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
  pending: ["PENDING"],
  running: ["RUNNING"],
  retrying: ["RETRYING"],
  assigned: ["ASSIGNED"],
  waiting: ["WAITING"],
  succeeded: ["COMPLETED"],
  completed: ["COMPLETED"],
  failed: ["FAILED"],
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
  error: "error",
  worker: "worker",
  actor: "askedBy",
  trace: "traceId",
}

const QUEUES = ["automated", "integration", "manual", "retry", "deadletter"]
const PRIORITIES = ["low", "medium", "high", "critical"]
const TYPES = ["automated", "integration", "manual"]
const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The words that may stand before a colon. */
export const KEYS = [
  "state",
  "task",
  "type",
  "queue",
  "priority",
  "tag",
  "workflow",
  "correlation",
  "parent",
  "assignee",
  "cause",
  "age",
  "error",
  "worker",
  "took",
  "attempt",
  "actor",
  "trace",
]

/** The values that may follow a key, as far as they are few. */
export const VALUES: Record<string, string[]> = {
  state: ["running", "queued", "retrying", "assigned", "waiting", "failed", "succeeded", "cancelled", "open"],
  type: TYPES,
  queue: QUEUES,
  priority: PRIORITIES,
  attempt: [">=2", ">=3"],
  age: ["<1h", "<24h", ">7d"],
  took: [">1s", ">1m", "<100ms"],
}

/** What a filter's text asks for; `now` is what ages count from. */
export function parseFilter(text: string, now: number): Filter {
  const query: TaskQuery = {}
  const problems: Problem[] = []
  const words: string[] = []
  const given = new Set<string>()
  for (const { key, value, start, end } of termsOf(text)) {
    if (key === null) {
      words.push(value)
      continue
    }
    const message = given.has(key) ? t.twice(key) : apply(query, key, value, now)
    given.add(key)
    if (message) problems.push({ start, end, message })
  }
  if (words.length) query.q = words.join(" ")
  return { query, problems }
}

/** The filter with one key's value changed, or without it. */
export function withTerm(text: string, key: string, value: string | null): string {
  const kept = termsOf(text)
    .filter(term => term.key !== key)
    .map(term => text.slice(term.start, term.end))
  if (value !== null) kept.unshift(`${key}:${quoted(value)}`)
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

const quoted = (value: string) =>
  /^$|[\s"\\]/.test(value) ? `"${value.replaceAll(/["\\]/g, "\\$&")}"` : value

const unquoted = (text: string) =>
  text.startsWith('"') ? text.slice(1).replace(/"$/, "").replaceAll(/\\(.)/g, "$1") : text

function apply(query: TaskQuery, key: string, value: string, now: number): string | undefined {
  if (key === "state") return applyStates(query, value)
  if (key === "type")
    return applyNames(value, TYPES, names => {
      query.taskType = names as NonNullable<TaskQuery["taskType"]>
    })
  if (key === "priority")
    return applyNames(value, PRIORITIES, names => {
      query.priority = names as NonNullable<TaskQuery["priority"]>
    })
  if (key === "queue") return applyQueues(query, value)
  if (key === "attempt") return applyAttempt(query, value)
  if (key === "age") return applyAge(query, value, now)
  if (key === "took") return applyTook(query, value)
  const field = Object.hasOwn(TEXT_FIELDS, key) ? TEXT_FIELDS[key] : undefined
  if (field === undefined) return t.noField(key, KEYS)
  if (field === "parentTaskId" && !/^\d{1,19}$/.test(value)) return t.parent
  if (field === "traceId" && !/^[0-9a-f]{32}$/.test(value)) return t.trace
  Object.assign(query, { [field]: value })
  return undefined
}

function applyStates(query: TaskQuery, value: string): string | undefined {
  const names = value.toLowerCase().split(",")
  const unknown = names.find(name => !Object.hasOwn(STATUSES, name))
  if (unknown !== undefined) return t.noState(unknown, VALUES.state)
  query.status = [...new Set(names.flatMap(name => STATUSES[name] ?? []))]
  return undefined
}

/** Some of a few names, which the server writes in capitals. */
function applyNames(value: string, known: string[], take: (names: string[]) => void): string | undefined {
  const names = value.toLowerCase().split(",")
  if (!names.every(name => known.includes(name))) return t.oneOf(known)
  take(names.map(name => name.toUpperCase()))
  return undefined
}

function applyQueues(query: TaskQuery, value: string): string | undefined {
  const names = value
    .toLowerCase()
    .split(",")
    .map(name => name.replace(/^task-execution-/, ""))
  if (!names.every(name => QUEUES.includes(name))) return t.queue(QUEUES)
  query.queue = names.map(name => `task-execution-${name}`) as NonNullable<TaskQuery["queue"]>
  return undefined
}

function applyAttempt(query: TaskQuery, value: string): string | undefined {
  const match = /^(>=|>)?(\d{1,6})$/.exec(value)
  const least = Number(match?.[2]) + (match?.[1] === ">" ? 1 : 0)
  if (!match || least < 1) return t.attempt
  query.attempts = least
  return undefined
}

function applyAge(query: TaskQuery, value: string, now: number): string | undefined {
  const match = /^([<>])(\d+)([smhd])$/.exec(value)
  if (!match) return t.age
  const moment = new Date(now - Number(match[2]) * (UNITS[match[3] ?? ""] ?? 0)).toISOString()
  if (match[1] === "<") query.createdAfter = moment
  else query.createdBefore = moment
  return undefined
}

function applyTook(query: TaskQuery, value: string): string | undefined {
  const match = /^([<>])(\d+(?:\.\d+)?)(ms|[smhd])$/.exec(value)
  if (!match) return t.took
  const seconds = (Number(match[2]) * (UNITS[match[3] ?? ""] ?? 0)) / 1000
  if (match[1] === "<") query.tookBelow = seconds
  else query.tookFrom = seconds
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
