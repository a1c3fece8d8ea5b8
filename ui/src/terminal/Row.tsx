import { memo } from "react"
import { usePrefs } from "@/lib/prefs"
import { clock } from "@/lib/time"
import type { Line } from "@/live/story"
import { parseAnsi } from "./ansi"

/** One line; its number and time are not copied with it. */
export const Row = memo(function Row({ line, isMarked }: { line: Line; isMarked: boolean }) {
  const { zone } = usePrefs()
  const level = line.level === "warning" || line.level === "error" ? ` at-${line.level}` : ""
  return (
    <div className={`terminal-row${level}${isMarked ? " is-marked" : ""}`}>
      <span className="gutter" aria-hidden="true">
        {line.number}
      </span>
      <time className="gutter">{clock(line.at, zone)}</time>
      <span className="terminal-text">
        {parseAnsi(line.text).map((run, k) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: runs of a line never move
          <span key={k} className={run.classes || undefined}>
            {run.text}
          </span>
        ))}
      </span>
    </div>
  )
})
