import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react"
import { look, storyOf } from "./followed"
import type { Story } from "./story"

/** A run's story, which grows while it is looked at; and how to go on after its end. */
export function useStory(runId: string): [Story, () => void] {
  const story = useMemo(() => storyOf(runId), [runId])
  const [round, setRound] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round follows it anew
  useEffect(() => look(story), [story, round])
  return [story, useCallback(() => setRound(old => old + 1), [])]
}

/** What is made of a story; told again only when that is another. */
export function useTold<T>(story: Story, make: (story: Story) => T): T {
  return useSyncExternalStore(story.subscribe, () => make(story))
}
