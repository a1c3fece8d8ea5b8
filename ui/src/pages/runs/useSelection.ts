import { useCallback, useMemo, useRef, useState } from "react"

/** Which rows are selected; `isEverything`: all that fit the filter, also those that are not shown. */
export interface Selection {
  ids: ReadonlySet<string>
  isEverything: boolean
  /** Select or not; with `isRange` all between this one and the one before. */
  toggle: (id: string, order: string[], isRange: boolean) => void
  setAll: (ids: string[]) => void
  setEverything: () => void
  clear: () => void
}

const NOTHING: ReadonlySet<string> = new Set()

export function useSelection(): Selection {
  const [ids, setIds] = useState(NOTHING)
  const [isEverything, setIsEverything] = useState(false)
  const last = useRef<string | null>(null)
  const toggle = useCallback((id: string, order: string[], isRange: boolean) => {
    const from = isRange && last.current !== null ? order.indexOf(last.current) : -1
    const to = order.indexOf(id)
    last.current = id
    setIsEverything(false)
    setIds(old => {
      const next = new Set(old)
      const range = from < 0 ? [id] : order.slice(Math.min(from, to), Math.max(from, to) + 1)
      for (const each of range) old.has(id) ? next.delete(each) : next.add(each)
      return next
    })
  }, [])
  const setAll = useCallback((all: string[]) => setIds(new Set(all)), [])
  const setEverything = useCallback(() => setIsEverything(true), [])
  const clear = useCallback(() => {
    setIds(NOTHING)
    setIsEverything(false)
  }, [])
  return useMemo(
    () => ({ ids, isEverything, toggle, setAll, setEverything, clear }),
    [ids, isEverything, toggle, setAll, setEverything, clear],
  )
}
