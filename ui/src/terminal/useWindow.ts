import { type RefObject, useEffect, useState } from "react"

export const ROW = 20
/** Up to so many rows all of them are in the page, so that the browser's own search finds them. */
export const ALL_ROWS = 2000
const OVERSCAN = 12

/** Which rows of a scrolled box are to be drawn. */
export interface Window {
  first: number
  last: number
}

/** The rows that can be seen in `box`, of `count` rows of one height. */
export function useWindow(box: RefObject<HTMLElement | null>, count: number): Window {
  const [place, setPlace] = useState({ top: 0, height: 600 })
  const isWhole = count <= ALL_ROWS
  useEffect(() => {
    const element = box.current
    if (!element || isWhole) return
    const look = () => setPlace({ top: element.scrollTop, height: element.clientHeight })
    const watcher = new ResizeObserver(look)
    watcher.observe(element)
    element.addEventListener("scroll", look, { passive: true })
    return () => {
      watcher.disconnect()
      element.removeEventListener("scroll", look)
    }
  }, [box, isWhole])
  if (isWhole) return { first: 0, last: count }
  const first = Math.max(0, Math.floor(place.top / ROW) - OVERSCAN)
  return { first, last: Math.min(count, Math.ceil((place.top + place.height) / ROW) + OVERSCAN) }
}
