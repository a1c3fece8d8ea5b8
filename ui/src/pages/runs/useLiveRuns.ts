import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query"
import { useMemo, useRef, useState } from "react"
import { getSome, type Task, type TaskQuery, tasksOptions } from "@/api/tasks"
import { useChanges } from "@/live/changes"

const PAGE = 50
const MOST_AT_ONCE = 200

interface Page {
  items: Task[]
  nextCursor: string | null
}

/**
 * The runs that fit, kept as they are now: rows that are shown change in their places, new ones are counted and wait
 * to be asked for. While `isHeld` nothing moves.
 */
export function useLiveRuns(query: TaskQuery, isHeld: boolean) {
  const client = useQueryClient()
  const options = tasksOptions({ ...query, limit: PAGE })
  const found = useInfiniteQuery({ ...options, placeholderData: previous => previous })
  const tasks = useMemo(() => found.data?.pages.flatMap(page => page.items) ?? [], [found.data])
  const [fresh, setFresh] = useState(0)
  const isBusy = useRef(false)

  const patch = async (ids: string[]) => {
    if (!ids.length) return
    const now = new Map((await getSome(ids.slice(0, MOST_AT_ONCE))).items.map(task => [task.taskId, task]))
    client.setQueryData(options.queryKey, old => old && withTasks(old, now))
  }
  const countFresh = async () => {
    const newest = tasks[0]?.taskId
    const head = await client.fetchInfiniteQuery({
      ...tasksOptions({ ...query, limit: PAGE + 1 }),
      staleTime: 0,
    })
    const ids = head.pages[0]?.items.map(task => task.taskId) ?? []
    const place = newest === undefined ? -1 : ids.indexOf(newest)
    setFresh(place < 0 ? ids.length : place)
  }
  const refetchQuietly = async () => {
    setFresh(0)
    await client.resetQueries({ queryKey: options.queryKey, exact: true })
  }

  useChanges(change => {
    if (isBusy.current) return
    isBusy.current = true
    const shown = tasks.map(task => task.taskId)
    const changed = change === null || change.more ? shown : shown.filter(id => change.taskIds.has(id))
    const hasOthers = change === null || change.more || change.taskIds.size > changed.length
    Promise.all([isHeld ? undefined : patch(changed), hasOthers ? countFresh() : undefined])
      .catch(() => undefined) // the next change tries again
      .finally(() => {
        isBusy.current = false
      })
  })
  return { ...found, tasks, fresh, showFresh: () => void refetchQuietly() }
}

function withTasks(old: InfiniteData<Page>, now: Map<string, Task>): typeof old {
  const pages = old.pages.map(page => ({
    ...page,
    items: page.items.map(task => now.get(task.taskId) ?? task),
  }))
  return { ...old, pages }
}
