import { useQueryClient } from "@tanstack/react-query"
import { useEffect } from "react"
import { type Task, taskKey } from "@/api/tasks"
import type { Story } from "@/live/story"
import { useStory } from "@/live/useStory"

/** The run's story; each time it tells of another status, what is known of the task is asked for anew. */
export function useRunEnds(task: Task): Story {
  const client = useQueryClient()
  const story = useStory(task.taskId)
  const { status, link } = story
  useEffect(() => {
    if (status !== null || link === "complete")
      void client.invalidateQueries({ queryKey: taskKey(task.taskId) })
  }, [client, task.taskId, status, link])
  return story
}
