import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { root } from "@/api/client"
import { inboxCountsOptions } from "@/api/inbox"
import { may, meOptions, queuesOptions } from "@/api/operations"
import { counted } from "@/lib/number"
import { setPrefs, type Theme, usePrefs } from "@/lib/prefs"
import { Button, IconButton } from "@/parts/Button"
import { Icon } from "@/parts/Icon"
import { pages, shell as t } from "@/texts/shell"
import { type Place, placesFor } from "./places"

const DEAD = "task-execution-deadletter"
const NEXT_THEME: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" }
const GROUPS = ["work", "operate", "connect"] as const

/** The pages, those with work in them counted; theme, shortcuts and who is logged in below. */
export function Rail({ onSheet }: { onSheet: () => void }) {
  const { data: me } = useQuery(meOptions)
  const counts = useCounts()
  const { theme } = usePrefs()
  const places = placesFor(me)
  return (
    <nav className="rail" aria-label={t.navigation}>
      <Link to="/" className="brand">
        <span className="brand-mark" aria-hidden="true">
          <Icon name="bolt" />
        </span>
        Taskyard
      </Link>
      {GROUPS.map(group => {
        const inside = places.filter(place => place.group === group)
        return (
          inside.length > 0 && (
            <div key={group} className="rail-group">
              {group !== "work" && <p className="rail-title">{t.groups[group]}</p>}
              {inside.map(place => (
                <RailLink key={place.name} place={place} count={counts[place.name]} />
              ))}
            </div>
          )
        )
      })}
      <div className="rail-foot">
        <IconButton
          icon={theme === "dark" ? "moon" : theme === "light" ? "sun" : "gear"}
          label={t.theme[theme]}
          onClick={() => setPrefs({ theme: NEXT_THEME[theme] })}
        />
        <IconButton icon="help" label={t.shortcuts} onClick={onSheet} />
        <Link to="/settings" className="rail-user" title={me && t.user(me.subject)}>
          {me?.subject}
        </Link>
        <form method="post" action={`${root}/logout`}>
          <Button type="submit" look="plain">
            {t.logOut}
          </Button>
        </form>
      </div>
    </nav>
  )
}

function RailLink({ place, count }: { place: Place; count: number | undefined }) {
  return (
    <Link
      to={place.to}
      className="rail-link"
      activeOptions={{ exact: place.to === "/", includeSearch: false }}
    >
      <Icon name={place.icon} />
      {pages[place.name]}
      {count ? (
        <span className={place.name === "deadLetters" ? "number st-dead" : "number quiet"}>
          {counted(count)}
        </span>
      ) : null}
    </Link>
  )
}

function useCounts(): Partial<Record<Place["name"], number>> {
  const { data: me } = useQuery(meOptions)
  const { data: queues } = useQuery({ ...queuesOptions, enabled: may(me, "tasks:read", "queues:manage") })
  const { data: inbox } = useQuery({ ...inboxCountsOptions, enabled: may(me, "tasks:manual") })
  return {
    deadLetters: queues?.items.find(queue => queue.name === DEAD)?.depth ?? 0,
    inbox: inbox?.open ?? 0,
  }
}
