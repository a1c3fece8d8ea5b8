import { useCallback, useMemo, useRef, useState } from "react"

/** Which rows are selected. */
export interface Selection {
  ids: ReadonlySet<string>
  /** Select or not; with `isRange` all between this one and the one before. */
  toggle: (id: string, order: string[], isRange: boolean) => void
  setAll: (ids: string[]) => void
  clear: () => void
}

export function useSelection(): Selection {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set())
  const last = useRef<string | null>(null)
  const toggle = useCallback((id: string, order: string[], isRange: boolean) => {
    const from = isRange && last.current !== null ? order.indexOf(last.current) : -1
    const to = order.indexOf(id)
    last.current = id
    setIds(old => {
      const next = new Set(old)
      const range = from < 0 ? [id] : order.slice(Math.min(from, to), Math.max(from, to) + 1)
      for (const each of range) old.has(id) ? next.delete(each) : next.add(each)
      return next
    })
  }, [])
  const setAll = useCallback((all: string[]) => setIds(new Set(all)), [])
  const clear = useCallback(() => setIds(new Set()), [])
  return useMemo(() => ({ ids, toggle, setAll, clear }), [ids, toggle, setAll, clear])
}
