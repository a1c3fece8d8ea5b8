import { follow, type Link } from "./follow"
import type { Message } from "./messages"
import { Paced } from "./paced"
import { Story } from "./story"

/** The story of the run whose page was last asked for, until that page looks at it. */
let expected: FollowedStory | undefined

const lookedAt = new Set<FollowedStory>()

/**
 * Follow a run whose page is still to come, unless it is given up; who looks at its story next goes on with it. A page
 * whose code was there may have been quicker.
 */
export function expectStory(runId: string, givenUp: AbortSignal): void {
  if (givenUp.aborted || [...lookedAt].some(story => story.runId === runId)) return
  expected?.stop()
  const story = new FollowedStory(runId)
  expected = story
  story.begin()
  givenUp.addEventListener("abort", () => {
    if (isTaken(story)) story.stop()
  })
}

/** The story of a run: the expected one, where that is of this run. */
export const storyOf = (runId: string): FollowedStory =>
  expected?.runId === runId ? expected : new FollowedStory(runId)

/** Have a story grow while it is looked at, whatever becomes of how its page was asked for; returns how to stop. */
export function look(story: FollowedStory): () => void {
  isTaken(story)
  lookedAt.add(story)
  story.begin()
  return () => {
    lookedAt.delete(story)
    story.stop()
  }
}

/** Whether the story was the expected one; it is that no more. */
function isTaken(story: FollowedStory): boolean {
  if (expected !== story) return false
  expected = undefined
  return true
}

/** A story that grows by what the server tells. */
export class FollowedStory extends Story {
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
