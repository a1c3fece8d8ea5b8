import { type RefObject, useDeferredValue, useEffect, useLayoutEffect, useRef, useState } from "react"
import type { Line } from "@/live/story"
import { placeOf } from "./search"

export const ROW = 20
/** Up to so many rows all of them are in the page, so that the browser's own search finds them. */
export const ALL_ROWS = 2000
const OVERSCAN = 12

/** Which rows of a scrolled box are to be drawn; `isWhole`: all of them, or as many as have been drawn so far. */
export interface Window {
  first: number
  last: number
  isWhole: boolean
}

/**
 * The rows that can be seen in `box`, of lines of one height: the last ones where it `follows`. Where there are few,
 * all of them, in their own time; but not in a flood of lines, of which most will not stay. What is read stays where it
 * is when there are other lines before it.
 */
export function useWindow(
  box: RefObject<HTMLElement | null>,
  lines: Line[],
  follows: boolean,
  isFlood: boolean,
): Window {
  const count = lines.length
  const isFew = count <= ALL_ROWS && !isFlood
  const drawn = useDeferredValue(isFew ? count : 0, 0)
  const isWhole = isFew && drawn > 0
  const [place, setPlace] = usePlace(box, isWhole)
  const before = useRef(lines)
  useLayoutEffect(() => {
    const read = before.current[place.top]
    const isOther = before.current !== lines
    before.current = lines
    if (!isOther || follows || isWhole || !read || !box.current) return
    const top = placeOf(lines, read.number)
    if (top === place.top) return
    box.current.scrollTop = top * ROW
    setPlace(old => ({ ...old, top }))
  }, [box, lines, follows, isWhole, place.top, setPlace])
  if (isWhole) return { first: 0, last: Math.min(drawn, count), isWhole }
  const top = follows ? count - place.rows : place.top
  return {
    first: Math.max(0, top - OVERSCAN),
    last: Math.min(count, top + place.rows + OVERSCAN),
    isWhole,
  }
}

/**
 * The first row in sight, and how many are; not looked at while all are drawn. It is told of no lines: what listens
 * for long would keep those that there were when it began.
 */
function usePlace(box: RefObject<HTMLElement | null>, isWhole: boolean) {
  const [place, setPlace] = useState({ top: 0, rows: 30 })
  useEffect(() => {
    const element = box.current
    if (!element || isWhole) return
    const look = () => {
      const top = Math.floor(element.scrollTop / ROW)
      const rows = Math.ceil(element.clientHeight / ROW)
      setPlace(old => (old.top === top && old.rows === rows ? old : { top, rows }))
    }
    const watcher = new ResizeObserver(look)
    watcher.observe(element)
    element.addEventListener("scroll", look, { passive: true })
    return () => {
      watcher.disconnect()
      element.removeEventListener("scroll", look)
    }
  }, [box, isWhole])
  return [place, setPlace] as const
}
