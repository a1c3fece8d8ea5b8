import { usePrefs } from "@/lib/prefs"
import { absolute, relative } from "@/lib/time"
import { useNowAs } from "@/lib/useNow"

/** A moment as the distance to now; in full where the pointer rests. */
export function Moment({ at }: { at: string | null | undefined }) {
  const moment = Date.parse(at ?? "")
  const distance = useNowAs(now => relative(moment, now))
  const { zone } = usePrefs()
  if (!at) return <>–</>
  return (
    <time dateTime={at} title={absolute(moment, zone)}>
      {distance}
    </time>
  )
}

/** A moment in full. */
export function Instant({ at }: { at: string }) {
  const { zone } = usePrefs()
  return <time dateTime={at}>{absolute(Date.parse(at), zone)}</time>
}
