import { ApiError } from "./client"

interface Page<T> {
  items: T[]
  nextCursor: string | null
}

/** All items of a list that is read as a whole. */
export async function everyPage<T>(
  read: (cursor: string | undefined) => Promise<Page<T>>,
): Promise<{ items: T[] }> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const page = await read(cursor)
    items.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor)
  return { items }
}

/** Ask again after so many milliseconds, but not for what was refused: that would be refused again. */
export const every = (ms: number) => (query: { state: { error: Error | null } }) => {
  const { error } = query.state
  return error instanceof ApiError && error.status < 500 ? false : ms
}
