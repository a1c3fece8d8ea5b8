const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A span in milliseconds as people read it: `90 ms`, `5.5 s`, `2 min 3 s`, `1 h 4 min`, `2 d 3 h`. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–"
  const left = Math.max(0, ms)
  if (left < SECOND) return `${Math.round(left)} ms`
  if (left < 10 * SECOND) return `${(left / SECOND).toFixed(2)} s`
  if (left < MINUTE) return `${(left / SECOND).toFixed(1)} s`
  if (left < HOUR) return two(left, MINUTE, "min", SECOND, "s")
  return left < DAY ? two(left, HOUR, "h", MINUTE, "min") : two(left, DAY, "d", HOUR, "h")
}

function two(ms: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % big) / small)
  return `${Math.floor(ms / big)} ${bigName}${rest ? ` ${rest} ${smallName}` : ""}`
}

/** How long ago or until then, in one unit: `just now`, `3 min ago`, `in 2 h`. */
export function relative(at: number, now: number): string {
  const distance = Math.abs(now - at)
  if (distance < 10 * SECOND) return at > now ? "in a moment" : "just now"
  const text = coarse(distance)
  return at > now ? `in ${text}` : `${text} ago`
}

/** A span in its largest unit. */
export function coarse(ms: number): string {
  if (ms < MINUTE) return `${Math.round(ms / SECOND)} s`
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min`
  if (ms < 2 * DAY) return `${Math.round(ms / HOUR)} h`
  return `${Math.round(ms / DAY)} days`
}

export type Zone = "local" | "UTC"

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec".split(" ")

/** The moment in full, in a time zone: `5 Jan 2026, 14:03:09`. The browser's own formats take long to begin with. */
export function absolute(at: number, zone: Zone): string {
  const told = shifted(at, zone)
  const date = `${told.getUTCDate()} ${MONTHS[told.getUTCMonth()]} ${told.getUTCFullYear()}`
  return `${date}, ${told.toISOString().slice(11, 19)}`
}

/** The time of day to the millisecond, for lines of output. */
export const clock = (at: number, zone: Zone) => shifted(at, zone).toISOString().slice(11, 23)

/** A date whose UTC parts are those of the zone. */
function shifted(at: number, zone: Zone): Date {
  return new Date(zone === "UTC" ? at : at - new Date(at).getTimezoneOffset() * MINUTE)
}

export type Urgency = "late" | "soon" | "later"

/** How a due moment stands: `late` once it has passed, `soon` within the last hour. */
export function urgency(dueAt: number, now: number): Urgency {
  if (dueAt <= now) return "late"
  return dueAt - now < HOUR ? "soon" : "later"
}
