import { useEffect, useMemo, useSyncExternalStore } from "react"
import { follow } from "./follow"
import type { Message } from "./messages"
import { Story } from "./story"

/** A run's story, which grows while it is looked at; painted at most once a frame. */
export function useStory(runId: string): Story {
  const story = useMemo(() => new StoryOf(runId), [runId])
  useEffect(() => story.listen(), [story])
  useSyncExternalStore(story.subscribe, () => story.version)
  return story
}

class StoryOf extends Story {
  constructor(private readonly runId: string) {
    super()
  }

  /** Follow the run from its beginning; returns how to stop. */
  listen(): () => void {
    let waiting: Message[] = []
    let frame = 0
    const flush = () => {
      frame = 0
      const batch = waiting
      waiting = []
      this.take(batch)
    }
    this.forget()
    const stop = follow(this.runId, {
      onMessages: messages => {
        waiting.push(...messages)
        // A page in the background is given no frames.
        if (document.hidden) flush()
        else frame ||= requestAnimationFrame(flush)
      },
      onLink: link => this.connected(link),
    })
    return () => {
      cancelAnimationFrame(frame)
      stop()
    }
  }
}
