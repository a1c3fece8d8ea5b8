import type { ReactNode } from "react"

/** What stands over a column: its text, that of numbers at the right, that of buttons for screen readers only. */
export type Head = string | { right: string } | { unseen: string }

/** A table, a row a thing. One that folds shows each row as a card on a phone. */
export function Ledger({ heads, flat, children }: { heads: Head[]; flat?: boolean; children: ReactNode }) {
  return (
    <table className={flat ? "ledger" : "ledger folds"}>
      <thead>
        <tr>{heads.map(headCell)}</tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  )
}

function headCell(head: Head) {
  if (typeof head === "string") {
    return (
      <th key={head} scope="col">
        {head}
      </th>
    )
  }
  if ("right" in head) {
    return (
      <th key={head.right} scope="col" className="right">
        {head.right}
      </th>
    )
  }
  return (
    <th key={head.unseen} scope="col">
      <span className="sr">{head.unseen}</span>
    </th>
  )
}
