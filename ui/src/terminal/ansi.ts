/** A stretch of text in one style. */
export interface Run {
  text: string
  classes: string
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are made of them
const ESCAPE = /\u001b(?:\[([0-9;]*)([A-Za-z])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is dropped
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g

interface Style {
  color: number | null
  ground: number | null
  marks: Set<string>
}

const MARKS: Record<number, string> = { 1: "bold", 2: "dim", 3: "italic", 4: "underline" }
const UNMARKS: Record<number, string[]> = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"] }

/** Text as runs of one style; of its escapes only colours and marks are kept. */
export function parseAnsi(text: string): Run[] {
  const runs: Run[] = []
  const style: Style = { color: null, ground: null, marks: new Set() }
  let from = 0
  for (const match of text.matchAll(ESCAPE)) {
    push(runs, text.slice(from, match.index), style)
    if (match[2] === "m") apply(style, match[1] ?? "")
    from = match.index + match[0].length
  }
  push(runs, text.slice(from), style)
  return runs
}

/** The text without its escapes. */
export const plain = (text: string) => text.replace(ESCAPE, "").replace(CONTROL, "")

function push(runs: Run[], raw: string, style: Style): void {
  const text = raw.replace(CONTROL, "")
  if (text) runs.push({ text, classes: classesOf(style) })
}

function classesOf({ color, ground, marks }: Style): string {
  const names = [...marks].map(mark => `ansi-${mark}`)
  if (color !== null) names.push(`ansi-${color}`)
  if (ground !== null) names.push(`ansi-on-${ground}`)
  return names.join(" ")
}

function apply(style: Style, parameters: string): void {
  const codes = parameters.split(";").map(Number)
  for (let k = 0; k < codes.length; k++) {
    const code = codes[k] ?? 0
    if (code === 38 || code === 48) {
      const name = code === 38 ? "color" : "ground"
      style[name] = codes[k + 1] === 5 ? nearest(codes[k + 2] ?? 0) : nearestRgb(codes.slice(k + 2, k + 5))
      k += codes[k + 1] === 5 ? 2 : 4
    } else applyOne(style, code)
  }
}

function applyOne(style: Style, code: number): void {
  if (code === 0) {
    style.color = style.ground = null
    style.marks.clear()
  } else if (MARKS[code]) style.marks.add(MARKS[code])
  else if (UNMARKS[code]) for (const mark of UNMARKS[code]) style.marks.delete(mark)
  else if (code === 39) style.color = null
  else if (code === 49) style.ground = null
  else if (code >= 30 && code <= 37) style.color = code - 30
  else if (code >= 90 && code <= 97) style.color = code - 82
  else if (code >= 40 && code <= 47) style.ground = code - 40
  else if (code >= 100 && code <= 107) style.ground = code - 92
}

/** One of the 16 colours of the theme for one of 256. */
function nearest(index: number): number {
  if (index < 16) return index
  if (index >= 232) return index < 238 ? 0 : index < 244 ? 8 : index < 250 ? 7 : 15
  const cube = index - 16
  return nearestRgb([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(part => part * 51))
}

function nearestRgb([red = 0, green = 0, blue = 0]: number[]): number {
  const most = Math.max(red, green, blue)
  const bits = [red, green, blue].map(part => (part > most * 0.6 && part > 60 ? 1 : 0))
  const bright = most > 200 ? 8 : 0
  return (bits[0] ?? 0) + 2 * (bits[1] ?? 0) + 4 * (bits[2] ?? 0) + bright
}
