import type { Line } from "@/live/story"
import { plain } from "./ansi"

export const LEVELS = ["debug", "info", "warning", "error"] as const

const RANK: Record<string, number> = { debug: 0, info: 1, warning: 2, warn: 2, error: 3, critical: 3 }

/** The lines at a level or above. */
export function atLevel(lines: Line[], level: string): Line[] {
  const least = RANK[level] ?? 0
  return least === 0 ? lines : lines.filter(line => (RANK[line.level] ?? 1) >= least)
}

/** The places, in `lines`, of those that contain a text; without regard to case. */
export function find(lines: Line[], text: string): number[] {
  if (!text) return []
  const wanted = text.toLowerCase()
  return lines.flatMap((line, index) => (plain(line.text).toLowerCase().includes(wanted) ? [index] : []))
}

/** The place, in `lines`, of the one with a number, or of the next. */
export function placeOf(lines: Line[], number: number): number {
  const place = lines.findIndex(line => line.number >= number)
  return place < 0 ? lines.length : place
}

/** What is copied and saved: the text of the lines, no numbers, times or escapes. */
export const plainText = (lines: Line[]) => lines.map(line => plain(line.text)).join("\n")
