import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react"
import { follow, type Link } from "./follow"
import type { Message } from "./messages"
import { Paced } from "./paced"
import { Story } from "./story"

/** The story of the run whose page was last asked for. */
let expected: StoryOf | undefined

/** Follow a run whose page is still to come, unless it is given up; who uses its story next goes on with it. */
export function expectStory(runId: string, givenUp: AbortSignal): void {
  const story = new StoryOf(runId)
  story.begin()
  givenUp.addEventListener("abort", () => story.stop())
  expected?.stop()
  expected = story
}

/** A run's story, which grows while it is looked at; and how to go on after its end. */
export function useStory(runId: string): [Story, () => void] {
  const story = useMemo(() => (expected?.runId === runId ? expected : new StoryOf(runId)), [runId])
  const [round, setRound] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round follows it anew
  useEffect(() => {
    story.begin()
    return () => story.stop()
  }, [story, round])
  return [story, useCallback(() => setRound(old => old + 1), [])]
}

/** What is made of a story; told again only when that is another. */
export function useTold<T>(story: Story, make: (story: Story) => T): T {
  return useSyncExternalStore(story.subscribe, () => make(story))
}

class StoryOf extends Story {
  private paced = new Paced(isFlood => this.tell(isFlood))
  private unfollow: (() => void) | undefined

  constructor(readonly runId: string) {
    super()
  }

  /** Follow the run from its beginning, or from its end on if it had one; nothing new where it is followed. */
  begin(): void {
    if (this.unfollow) return
    const had = this.link === "complete" ? this.last : 0
    if (had === 0) this.forget()
    this.connected("connecting")
    const listener = {
      onMessages: (messages: Message[]) => this.paced.add(this.take(messages)),
      onLink: (link: Link) => {
        if (link === "complete") this.paced.flush()
        this.connected(link)
      },
    }
    this.unfollow = follow(this.runId, listener, had)
  }

  stop(): void {
    this.paced.stop()
    this.unfollow?.()
    this.unfollow = undefined
  }
}
