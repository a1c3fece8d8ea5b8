import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import type { InboxItem } from "@/api/inbox"
import { meOptions } from "@/api/operations"
import { inbox as t } from "@/texts/inbox"
import { Due } from "./Due"

/** The work, one row each: what it is, when it is due, whose it is. */
export function InboxList({ items, at }: { items: InboxItem[]; at: string | undefined }) {
  const { data: me } = useQuery(meOptions)
  return (
    <nav className="sheet inbox-list" aria-label={t.list}>
      <ul>
        {items.map(item => (
          <li key={item.taskId}>
            <Link
              to="/inbox/$taskId"
              params={{ taskId: item.taskId }}
              search={old => old}
              className="inbox-row"
              aria-current={item.taskId === at ? "true" : undefined}
            >
              <span className="inbox-title">{item.title}</span>
              <span className="inbox-facts">
                <Due item={item} />
                <span>{holderOf(item, me?.subject)}</span>
                <span className="spring" />
                {item.priority !== "MEDIUM" && <span className="number">{item.priority.toLowerCase()}</span>}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** Whose it is, in a word. */
export function holderOf(item: InboxItem, self: string | undefined): string {
  const holder = item.claimedBy ?? (item.assigneeType === "USER" ? item.assigneeId : null)
  if (holder) return holder === self ? t.you : holder
  return t.unclaimed(item.assigneeName ?? item.assigneeId ?? t.nobody)
}
