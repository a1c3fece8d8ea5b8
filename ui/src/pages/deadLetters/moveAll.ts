import type { discard, Selection } from "@/api/deadLetters"

type Moved = Awaited<ReturnType<typeof discard>>

/** Does it with all that are meant, page after page; what goes at a rate goes on at it. How many were moved. */
export async function moveAll<B extends Selection>(
  act: (body: B) => Promise<Moved>,
  body: B & { ratePerSecond?: number | null },
) {
  let count = 0
  let page = await act(body)
  while (true) {
    count += page.taskIds.length
    if (!page.nextCursor) return count
    const delay = body.ratePerSecond ? { delay: count / body.ratePerSecond } : {}
    page = await act({ ...body, ...delay, cursor: page.nextCursor })
  }
}
