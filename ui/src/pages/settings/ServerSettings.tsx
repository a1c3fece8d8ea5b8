import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { root } from "@/api/client"
import { settingsOptions } from "@/api/operations"
import { stringifyJson } from "@/lib/json"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { settings as t } from "@/texts/settings"
import "./settings.css"

/** How the server is set up: what can be looked at here is changed where it comes from. */
export function ServerSettings() {
  const settings = useQuery(settingsOptions)
  const [text, setText] = useState("")
  const [isGiven, setGiven] = useState(false)
  const fits = (each: { name: string; help: string; source: string }) =>
    `${each.name} ${each.help}`.toLowerCase().includes(text.toLowerCase()) &&
    (!isGiven || each.source !== "default")
  return (
    <section className="stack server-settings" aria-labelledby="server">
      <div className="row">
        <h2 id="server">{t.server}</h2>
        <span className="quiet">{settings.data && t.version(settings.data.version)}</span>
        <span className="spring" />
        <label className="option">
          <input type="checkbox" checked={isGiven} onChange={event => setGiven(event.target.checked)} />
          {t.givenOnly}
        </label>
        <input
          className="field"
          type="search"
          data-filter
          aria-label={t.search}
          placeholder={t.search}
          value={text}
          onChange={event => setText(event.target.value)}
        />
      </div>
      <p className="quiet">{t.serverHelp}</p>
      <Loaded from={settings}>
        {({ items }) => (
          <div className="sheet scrolls">
            <Ledger heads={[t.columns.name, t.columns.value, t.columns.source]}>
              {items.filter(fits).map(each => (
                <tr key={each.name}>
                  <td className="wide">
                    <span className="number">{each.name}</span>
                    <p className="quiet">{each.help}</p>
                  </td>
                  <td className="number breaks">{shown(each.value)}</td>
                  <td className="quiet">{each.source}</td>
                </tr>
              ))}
            </Ledger>
          </div>
        )}
      </Loaded>
      <p className="quiet">
        <a href={`${root}/admin/assets/third-party-licenses.md?${settings.data?.version ?? ""}`}>
          {t.licences}
        </a>
      </p>
    </section>
  )
}

function shown(value: unknown): string {
  if (value === "" || value === null) return "–"
  return typeof value === "string" ? value : stringifyJson(value)
}
