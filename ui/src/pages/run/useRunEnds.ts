import { useQueryClient } from "@tanstack/react-query"
import { useEffect, useRef } from "react"
import { type Task, taskKey } from "@/api/tasks"
import { isFinal } from "@/lib/state"
import { useChanges } from "@/live/changes"
import type { Story } from "@/live/story"
import { useStory, useTold } from "@/live/useStory"

/**
 * The run's story; each time it tells of another status, what is known of the task is asked for anew. It goes on where
 * somebody has the run begin again after its end.
 */
export function useRunEnds(task: Task): Story {
  const client = useQueryClient()
  const [story, goOn] = useStory(task.taskId)
  const endedAt = useRef(0)
  const status = useTold(story, told => told.status)
  const link = useTold(story, told => told.link)
  const { taskId } = task
  const refresh = () => client.invalidateQueries({ queryKey: taskKey(taskId) })
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is asked for is the same question
  useEffect(() => {
    if (link === "complete") endedAt.current = Date.now()
    if (status !== null || link === "complete") void refresh()
  }, [taskId, status, link])
  // biome-ignore lint/correctness/useExhaustiveDependencies: each version may be the one that begins again
  useEffect(() => {
    if (link !== "complete" || isFinal(task.status)) return
    const readAt = client.getQueryState(taskKey(taskId))?.dataUpdatedAt ?? 0
    if (readAt > endedAt.current) goOn()
  }, [client, goOn, taskId, task.status, task.version, link])
  useChanges(change => {
    const isMeant = link === "complete" && (change.more || change.taskIds.has(taskId))
    return isMeant ? refresh() : undefined
  })
  return story
}
