import { usePrefs } from "@/lib/prefs"
import { absolute, relative } from "@/lib/time"
import { useNow } from "@/lib/useNow"

/** A moment as the distance to now; in full where the pointer rests. */
export function Moment({ at }: { at: string | null | undefined }) {
  const now = useNow()
  const { zone } = usePrefs()
  if (!at) return <>–</>
  const moment = Date.parse(at)
  return (
    <time dateTime={at} title={absolute(moment, zone)}>
      {relative(moment, now)}
    </time>
  )
}

/** A moment in full. */
export function Instant({ at }: { at: string }) {
  const { zone } = usePrefs()
  return <time dateTime={at}>{absolute(Date.parse(at), zone)}</time>
}
