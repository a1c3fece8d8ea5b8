import { Outlet, useRouterState } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import { Toasts } from "@/parts/Toasts"
import { shell as t } from "@/texts/shell"
import { Palette } from "./Palette"
import { Rail } from "./Rail"
import { ShortcutSheet } from "./ShortcutSheet"
import { TopBar } from "./TopBar"
import { useShortcuts } from "./useShortcuts"
import "./shell.css"

/** What is around every page: the rail, the bar, the palette and the keyboard. */
export function Shell() {
  const [open, setOpen] = useState<"palette" | "sheet" | "menu" | null>(null)
  const address = useRouterState({ select: state => state.location.pathname })
  useShortcuts({ onPalette: () => setOpen("palette"), onSheet: () => setOpen("sheet") })
  // biome-ignore lint/correctness/useExhaustiveDependencies: each navigation closes what is open
  useEffect(() => setOpen(null), [address])
  return (
    <div className={open === "menu" ? "shell menu-open" : "shell"}>
      <a className="skip" href="#content">
        {t.skip}
      </a>
      <Rail onSheet={() => setOpen("sheet")} />
      <div className="shell-main">
        <TopBar
          onMenu={() => setOpen(open === "menu" ? null : "menu")}
          onPalette={() => setOpen("palette")}
        />
        <main id="content" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      {open === "palette" && <Palette onClose={() => setOpen(null)} />}
      {open === "sheet" && <ShortcutSheet onClose={() => setOpen(null)} />}
      <Toasts />
    </div>
  )
}
