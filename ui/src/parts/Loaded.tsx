import type { ReactNode } from "react"
import { Empty, Skeleton, Told } from "./Empty"
import { Problem } from "./Problem"

interface Loading<T> {
  data: T | undefined
  error: Error | null
  refetch: () => unknown
}

/** What was asked for once it is there; rows in its place before, a problem where it fails. Old data stays. */
export function Loaded<T>({ from, children }: { from: Loading<T>; children: (data: T) => ReactNode }) {
  if (from.data === undefined) {
    return from.error ? <Problem error={from.error} onRetry={() => void from.refetch()} /> : <Skeleton />
  }
  return (
    <>
      {from.error && <Problem error={from.error} onRetry={() => void from.refetch()} />}
      {children(from.data)}
    </>
  )
}

interface Listing<T> {
  from: Loading<{ items: T[] }>
  none: string
  noneHelp: string
  children: (items: T[]) => ReactNode
}

/** The items of a list once they are there; where there are none that is said, and what to do about it. */
export function Listed<T>({ from, none, noneHelp, children }: Listing<T>) {
  return (
    <Loaded from={from}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty title={none}>
            <Told>{noneHelp}</Told>
          </Empty>
        ) : (
          children(items)
        )
      }
    </Loaded>
  )
}
