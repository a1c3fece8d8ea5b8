import { type QueryFilters, useIsFetching, useQueryClient } from "@tanstack/react-query"
import { useEffect, useState } from "react"
import { changes, usePaused } from "@/live/changes"
import { IconButton } from "@/parts/Button"
import { Icon } from "@/parts/Icon"
import { common } from "@/texts/common"
import { shell as t } from "@/texts/shell"

const TRY_AGAIN_EVERY = 3_000

/** Questions of what is shown that found no server. */
const UNREACHED: QueryFilters = {
  type: "active",
  predicate: query => query.state.error instanceof TypeError,
}

/** The bar over the page: the way to everything else, and whether what is shown is live. */
export function TopBar({ onMenu, onPalette }: { onMenu: () => void; onPalette: () => void }) {
  const isPaused = usePaused()
  const isOnline = useOnline()
  return (
    <header className="top-bar">
      <span className="only-narrow">
        <IconButton icon="menu" label={t.menu} onClick={onMenu} />
      </span>
      {!isOnline && (
        <p className="offline" role="alert">
          {common.offline}
        </p>
      )}
      <span className="spring" />
      <button
        type="button"
        className={isPaused ? "live-toggle is-paused" : "live-toggle"}
        aria-pressed={isPaused}
        aria-label={t.toggleLive}
        title={t.toggleLive}
        onClick={changes.toggle}
      >
        {isPaused ? t.paused : t.live}
      </button>
      <button type="button" className="finder-button" onClick={onPalette}>
        <Icon name="search" />
        <span>{t.goTo}</span>
        <kbd>Ctrl K</kbd>
      </button>
    </header>
  )
}

/** Whether the last answers came: false once a question has found no server, until all that did have found one. */
function useOnline(): boolean {
  const client = useQueryClient()
  const fetching = useIsFetching()
  const [isOnline, setOnline] = useState(true)
  // biome-ignore lint/correctness/useExhaustiveDependencies: looked at anew whenever a question ends
  useEffect(() => {
    setOnline(client.getQueryCache().findAll(UNREACHED).length === 0)
  }, [client, fetching])
  useEffect(() => {
    if (isOnline) return
    const timer = setInterval(() => void client.refetchQueries(UNREACHED), TRY_AGAIN_EVERY)
    return () => clearInterval(timer)
  }, [client, isOnline])
  return isOnline
}
