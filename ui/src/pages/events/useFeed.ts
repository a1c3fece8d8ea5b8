import { useQuery } from "@tanstack/react-query"
import { useRef, useState } from "react"
import { readFeed } from "@/api/events"
import { every } from "@/api/pages"
import type { TaskEvent } from "@/api/tasks"
import { usePaused } from "@/live/changes"

const KEPT = 500
const LOOK_EVERY = 1_000

/**
 * The latest events, the newest first, and those that come. Where more come than are looked at in time it goes on with
 * the latest and counts what was left out.
 */
export function useFeed() {
  const position = useRef<string | null>(null)
  const [kept, setKept] = useState<TaskEvent[]>([])
  const [skipped, setSkipped] = useState(0)
  const isPaused = usePaused()
  const feed = useQuery({
    queryKey: ["feed"],
    queryFn: async ({ signal }) => {
      let page = await readFeed(position.current, signal)
      if (position.current !== null && page.nextCursor) {
        const latest = await readFeed(null, signal)
        const left = Number(latest.position) - latest.items.length - Number(position.current)
        setSkipped(old => old + Math.max(0, left))
        page = latest
      }
      position.current = page.position
      const found = page.items.toReversed()
      const known = new Set(found.map(event => event.id))
      if (found.length)
        setKept(old => [...found, ...old.filter(event => !known.has(event.id))].slice(0, KEPT))
      return page.position
    },
    refetchInterval: query => (isPaused ? false : every(LOOK_EVERY)(query)),
    gcTime: 0,
  })
  return { ...feed, data: feed.data === undefined ? undefined : kept, skipped }
}
