import type { InboxItem } from "@/api/inbox"
import { usePrefs } from "@/lib/prefs"
import { absolute, coarse, relative, urgency } from "@/lib/time"
import { useNow } from "@/lib/useNow"
import { inbox as t } from "@/texts/inbox"

const LOOKS = { late: "st-failed", soon: "st-retrying", later: "quiet" }

/** When it is due: amber in the last hour, red with a word once it is late. */
export function Due({ item }: { item: InboxItem }) {
  const now = useNow()
  const { zone } = usePrefs()
  if (!item.dueDate) return null
  const at = Date.parse(item.dueDate)
  const how = item.endTime ? "later" : urgency(at, now)
  return (
    <time className={`due ${LOOKS[how]}`} dateTime={item.dueDate} title={absolute(at, zone)}>
      {how === "late" ? t.late(coarse(now - at)) : t.due(relative(at, now))}
    </time>
  )
}
