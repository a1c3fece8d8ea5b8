import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query"
import { useMemo, useState } from "react"
import { getNewest, getSome, PAGE, type Task, type TaskQuery, tasksOptions } from "@/api/tasks"
import { isFinal } from "@/lib/state"
import { useChanges } from "@/live/changes"
import type { Change } from "@/live/intake"
import { changedAmong, freshAmong } from "./fresh"

const AT_ONCE = 200
const NONE: Task[] = []

interface Page {
  items: Task[]
  nextCursor: string | null
}

/**
 * The runs that fit, kept as they are now: rows that are shown change in their places, new ones are counted and wait
 * to be asked for. While `isHeld` no row changes; what happens meanwhile is shown afterwards.
 */
export function useLiveRuns(query: TaskQuery, isHeld: boolean) {
  const client = useQueryClient()
  const options = tasksOptions({ ...query, limit: PAGE })
  const found = useInfiniteQuery({ ...options, placeholderData: previous => previous })
  const tasks = useMemo(() => found.data?.pages.flatMap(page => page.items) ?? [], [found.data])
  const [newest, setNewest] = useState({ of: "", tasks: NONE })
  const of = JSON.stringify(query)

  const patch = async (ids: string[]) => {
    const now = new Map<string, Task>()
    for (let at = 0; at < ids.length; at += AT_ONCE)
      for (const task of (await getSome(ids.slice(at, at + AT_ONCE))).items) now.set(task.taskId, task)
    return () => void client.setQueryData(options.queryKey, old => old && withTasks(old, now))
  }
  const lookForFresh = async (change: Change) => {
    // What names no task, as when the feed begins, is mostly nothing new: the newest alone tells.
    const looks = change.taskIds.size ? [PAGE] : [1, PAGE]
    let items = NONE
    for (const limit of looks) {
      items = (await getNewest({ ...query, limit })).items
      if (!freshAmong(items, tasks[0]?.taskId)) break
    }
    setNewest({ of, tasks: items })
  }
  const refetchQuietly = async () => {
    setNewest({ of, tasks: NONE })
    await client.resetQueries({ queryKey: options.queryKey, exact: true })
  }
  const patchRows = (change: Change) => patch(changedAmong(tasks, change, task => !isFinal(task.status)))

  useChanges(patchRows, isHeld || !found.data)
  useChanges(lookForFresh, !found.data)
  // Counted against the rows as they are now: others may be shown than when it was asked.
  const isOfThese = newest.of === of && found.data && !found.isPlaceholderData
  const fresh = isOfThese ? freshAmong(newest.tasks, tasks[0]?.taskId) : 0
  return { ...found, tasks, fresh, showFresh: () => void refetchQuietly() }
}

function withTasks(old: InfiniteData<Page>, now: Map<string, Task>): typeof old {
  const pages = old.pages.map(page => ({
    ...page,
    items: page.items.map(task => now.get(task.taskId) ?? task),
  }))
  return { ...old, pages }
}
