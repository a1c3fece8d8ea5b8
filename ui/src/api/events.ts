import { get } from "./client"

const AT_ONCE = 200

/** The events after a place in the feed; the latest where none is given. */
export const readFeed = (after: string | null, signal?: AbortSignal) =>
  get("/api/v1/events", {
    query: { ...(after === null ? { last: AT_ONCE } : { after: Number(after) }), limit: AT_ONCE },
    signal,
  })
