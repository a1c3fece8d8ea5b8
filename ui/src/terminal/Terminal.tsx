import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react"
import { copy, save } from "@/lib/clipboard"
import type { Line, Story } from "@/live/story"
import { useTold } from "@/live/useStory"
import { Button } from "@/parts/Button"
import { notify } from "@/parts/Toasts"
import { output as t } from "@/texts/output"
import { Finder } from "./Finder"
import { Row } from "./Row"
import { atLevel, find, LEVELS, plainText } from "./search"
import { ALL_ROWS, ROW, useWindow } from "./useWindow"
import "./terminal.css"

/** A run's output: follows the newest line until somebody scrolls up, and can be searched, copied and saved. */
export function Terminal({ story, name }: { story: Story; name: string }) {
  const [level, setLevel] = useState<string>("debug")
  const [wraps, setWraps] = useState(false)
  const [sought, setSought] = useState("")
  const [match, setMatch] = useState(0)
  const box = useRef<HTMLDivElement>(null)
  useTold(story, told => told.version)
  const lines = story.lines
  // The lines grow in place; their number tells of it.
  const shown = useMemo(() => atLevel(lines, level), [lines, lines.length, level])
  const found = useMemo(() => find(shown, sought), [shown, shown.length, sought])
  const [follows, setFollows] = useState(true)
  const { first, last, isWhole } = useWindow(box, shown, follows, story.isFlood)
  const isWrapped = wraps && isWhole
  useFollowing(box, follows, setFollows, `${last} ${isWrapped}`)
  const canWrap = shown.length <= ALL_ROWS
  const marked = found.length ? found[match % found.length] : undefined

  const go = (step: number) => {
    if (!found.length) return
    const at = (match + step + found.length) % found.length
    setMatch(at)
    setFollows(false)
    reveal(box.current, found[at] ?? 0, isWrapped)
  }

  return (
    <section className="terminal" aria-label={t.title}>
      <header className="terminal-bar">
        <h2>{t.title}</h2>
        <span className={`link link-${story.link}`}>{t.links[story.link]}</span>
        <span className="quiet number">{t.lines(lines.length)}</span>
        <span className="spring" />
        <Finder
          text={sought}
          onText={setSought}
          at={marked === undefined ? 0 : (match % found.length) + 1}
          count={found.length}
          onGo={go}
        />
        <select
          className="field"
          aria-label={t.level}
          value={level}
          onChange={event => setLevel(event.target.value)}
        >
          {LEVELS.map(each => (
            <option key={each} value={each}>
              {t.levels[each]}
            </option>
          ))}
        </select>
        {canWrap && (
          <Button aria-pressed={wraps} onClick={() => setWraps(!wraps)}>
            {t.wrap}
          </Button>
        )}
        <Button aria-pressed={follows} onClick={() => setFollows(!follows)}>
          {follows ? t.following : t.follow}
        </Button>
        <Button onClick={() => void copy(plainText(shown)).then(() => notify(t.copied))}>{t.copy}</Button>
        <Button onClick={() => save(`${name}.log`, plainText(lines))}>{t.save}</Button>
      </header>
      {story.skipped > 0 && <p className="terminal-note">{t.skipped(story.skipped)}</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reachable by keyboard */}
      <div ref={box} className="terminal-box" role="log" aria-live="off" aria-label={t.region} tabIndex={0}>
        {shown.length === 0 ? (
          <p className="terminal-note">{emptyText(lines, story)}</p>
        ) : (
          <div
            className={isWrapped ? "terminal-rows wraps" : "terminal-rows"}
            style={{ height: isWhole ? undefined : shown.length * ROW }}
          >
            <div style={{ transform: `translateY(${first * ROW}px)` }}>
              {shown.slice(first, last).map((line, k) => (
                <Row key={line.number} line={line} isMarked={first + k === marked} />
              ))}
            </div>
          </div>
        )}
      </div>
    </section>
  )
}

function emptyText(lines: Line[], story: Story): string {
  if (lines.length) return t.noneAtLevel
  return story.link === "complete" ? t.none : t.noneYet
}

/** Keep the newest line in view until somebody scrolls up; scrolling to the end, or the End key, takes it up again. */
function useFollowing(
  box: React.RefObject<HTMLElement | null>,
  follows: boolean,
  setFollows: (follows: boolean) => void,
  drawn: string,
) {
  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => setFollows(element.scrollHeight - element.scrollTop - element.clientHeight < ROW * 2)
    element.addEventListener("scroll", look, { passive: true })
    return () => element.removeEventListener("scroll", look)
  }, [box, setFollows])
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is drawn has another height then
  useLayoutEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [follows, drawn, box])
}

/** Scroll to a row; rows that wrap are of any height, and all there. */
function reveal(box: HTMLElement | null, index: number, isWrapped: boolean): void {
  if (!box) return
  const row = isWrapped ? box.querySelectorAll<HTMLElement>(".terminal-row")[index] : undefined
  box.scrollTop = Math.max(0, (row?.offsetTop ?? index * ROW) - box.clientHeight / 2)
}
