import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react"
import { follow, type Link } from "./follow"
import type { Message } from "./messages"
import { Paced } from "./paced"
import { Story } from "./story"

/** A run's story, which grows while it is looked at; and how to go on after its end. */
export function useStory(runId: string): [Story, () => void] {
  const story = useMemo(() => new StoryOf(runId), [runId])
  const [round, setRound] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round follows it anew
  useEffect(() => story.listen(), [story, round])
  return [story, useCallback(() => setRound(old => old + 1), [])]
}

/** What is made of a story; told again only when that is another. */
export function useTold<T>(story: Story, make: (story: Story) => T): T {
  return useSyncExternalStore(story.subscribe, () => make(story))
}

class StoryOf extends Story {
  constructor(private readonly runId: string) {
    super()
  }

  /** Follow the run from its beginning, or from its end on if it had one; returns how to stop. */
  listen(): () => void {
    const paced = new Paced<Message>((messages, isFlood) => this.take(messages, isFlood))
    const had = this.link === "complete" ? this.last : 0
    if (had === 0) this.forget()
    this.connected("connecting")
    const listener = {
      onMessages: (messages: Message[]) => paced.add(messages),
      onLink: (link: Link) => {
        if (link === "complete") paced.flush()
        this.connected(link)
      },
    }
    const stop = follow(this.runId, listener, had)
    return () => {
      paced.stop()
      stop()
    }
  }
}
