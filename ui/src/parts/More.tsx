import { useEffect, useEffectEvent, useRef } from "react"
import { common } from "@/texts/common"
import { Button } from "./Button"

interface Given {
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => unknown
}

const AHEAD = "600px"

/** The way to the rest of a list: taken by itself when its end comes near, or by hand. */
export function More({ of, isEager = false }: { of: Given; isEager?: boolean }) {
  const box = useRef<HTMLDivElement>(null)
  const { hasNextPage, isFetchingNextPage } = of
  const load = useEffectEvent(() => {
    if (hasNextPage && !isFetchingNextPage) void of.fetchNextPage()
  })
  // biome-ignore lint/correctness/useExhaustiveDependencies: after each page the end may still be near
  useEffect(() => {
    if (!isEager || !box.current) return
    const watcher = new IntersectionObserver(([entry]) => entry?.isIntersecting && load(), {
      rootMargin: AHEAD,
    })
    watcher.observe(box.current)
    return () => watcher.disconnect()
  }, [isEager, hasNextPage, isFetchingNextPage])
  if (!hasNextPage) return null
  return (
    <div ref={box}>
      <Button onClick={load} disabled={isFetchingNextPage}>
        {common.more}
      </Button>
    </div>
  )
}
