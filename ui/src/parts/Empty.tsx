import type { ReactNode } from "react"

/** Where there is nothing: why, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  )
}

/** A sentence, with what stands in backquotes as code. */
export function Told({ children }: { children: string }) {
  return (
    <p>
      {children.split("`").map((part, k) =>
        // biome-ignore lint/suspicious/noArrayIndexKey: parts of a text never move
        k % 2 ? <code key={k}>{part}</code> : part,
      )}
    </p>
  )
}

/** Rows that stand in for the first that come. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div className="skeleton" aria-hidden="true">
      {Array.from({ length: rows }, (_, k) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <i key={k} />
      ))}
    </div>
  )
}
