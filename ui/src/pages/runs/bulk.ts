import type { cancelMany, Many, TaskQuery } from "@/api/tasks"

/** Which runs a verb is for: those with these ids, or all that a filter finds. */
export type Target = { taskIds: string[] } | { filter: NonNullable<Many["filter"]> }

/** What came of it, or would: how many are changed, how many are not, by their status; `isAll`: none were left out. */
export interface Total {
  changed: number
  kept: Record<string, number>
  isAll: boolean
}

type Act = typeof cancelMany

const AT_ONCE = 500
/** A dry run over more than these says that there are more. */
const MOST_COUNTED = 10_000

/** All that fits the filter now; what comes later is not meant. */
export const everything = ({ limit: _, sort: __, ...query }: TaskQuery, now: number): Target => {
  const before = new Date(now).toISOString()
  const createdBefore = query.createdBefore && query.createdBefore < before ? query.createdBefore : before
  return { filter: { ...query, createdBefore } as NonNullable<Many["filter"]> }
}

/** Look what a verb would do. */
export const look = (act: Act, target: Target) => each(act, target, true, () => undefined, MOST_COUNTED)

/** Use a verb on all of them, some at a time; `onDone` is told how many are through. */
export const doAll = (act: Act, target: Target, onDone: (count: number) => void) =>
  each(act, target, false, onDone, Number.POSITIVE_INFINITY)

async function each(
  act: Act,
  target: Target,
  dryRun: boolean,
  onDone: (count: number) => void,
  most: number,
): Promise<Total> {
  const total: Total = { changed: 0, kept: {}, isAll: true }
  let through = 0
  for await (const page of pages(act, target, dryRun)) {
    total.changed += page.taskIds.length
    for (const [status, count] of Object.entries(page.kept))
      total.kept[status] = (total.kept[status] ?? 0) + (count ?? 0)
    through = total.changed + Object.values(total.kept).reduce((sum, count) => sum + count, 0)
    onDone(through)
    if (through >= most) return { ...total, isAll: page.nextCursor === null }
  }
  return total
}

async function* pages(act: Act, target: Target, dryRun: boolean) {
  if ("taskIds" in target) {
    const { taskIds } = target
    for (let at = 0; at < taskIds.length; at += AT_ONCE)
      yield await act({ taskIds: taskIds.slice(at, at + AT_ONCE), dryRun })
    return
  }
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<Act>> = await act({ filter: target.filter, cursor, dryRun })
    yield page
    cursor = page.nextCursor
  } while (cursor)
}
