import type { ReactNode } from "react"
import { Skeleton } from "./Empty"
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
