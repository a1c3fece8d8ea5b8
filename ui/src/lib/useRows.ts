import { type RefObject, useEffect, useState } from "react"

/** Up to so many rows all of them are in the page. */
const ALL = 300
const OVERSCAN = 20
const STEP = 10

/** Which rows are drawn, and how many pixels the others would take above and below them. */
export interface Rows {
  first: number
  last: number
  above: number
  below: number
}

/** The rows of `box`, all of one height, that are near what is seen of the page. */
export function useRows(box: RefObject<HTMLElement | null>, count: number): Rows {
  const [place, setPlace] = useState({ first: 0, last: ALL, height: 0 })
  const isWhole = count <= ALL
  useEffect(() => {
    if (isWhole) return
    const look = () => {
      const element = box.current
      const height = element?.querySelector<HTMLElement>("[data-row]")?.offsetHeight
      if (!element || !height) return
      const top = -element.getBoundingClientRect().top
      const first = Math.floor(top / height / STEP) * STEP - OVERSCAN
      const last = first + Math.ceil(window.innerHeight / height / STEP) * STEP + 2 * OVERSCAN
      setPlace(old =>
        old.first === first && old.last === last && old.height === height ? old : { first, last, height },
      )
    }
    look()
    window.addEventListener("scroll", look, { passive: true })
    window.addEventListener("resize", look)
    return () => {
      window.removeEventListener("scroll", look)
      window.removeEventListener("resize", look)
    }
  }, [box, isWhole])
  if (isWhole) return { first: 0, last: count, above: 0, below: 0 }
  const first = Math.min(Math.max(0, place.first), Math.max(0, count - 1))
  const last = Math.max(first, Math.min(count, place.last))
  return { first, last, above: first * place.height, below: (count - last) * place.height }
}
