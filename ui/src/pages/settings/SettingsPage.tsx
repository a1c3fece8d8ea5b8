import { useQuery } from "@tanstack/react-query"
import { may, meOptions } from "@/api/operations"
import { setPrefs, usePrefs } from "@/lib/prefs"
import { Facts } from "@/parts/Facts"
import { Loaded } from "@/parts/Loaded"
import { Page } from "@/parts/Page"
import { settings as t } from "@/texts/settings"
import { ServerSettings } from "./ServerSettings"

/** What somebody has chosen for this browser, and who they are. */
export function SettingsPage() {
  const prefs = usePrefs()
  const me = useQuery(meOptions)
  return (
    <Page title={t.title} about={t.about}>
      <div className="columns">
        <section className="sheet sheet-body form">
          <Choice
            legend={t.theme}
            labels={t.themes}
            chosen={prefs.theme}
            onChoose={theme => setPrefs({ theme })}
          />
          <Choice
            legend={t.zone}
            labels={t.zones}
            chosen={prefs.zone}
            onChoose={zone => setPrefs({ zone })}
          />
          <Choice
            legend={t.density}
            labels={t.densities}
            chosen={prefs.density}
            onChoose={density => setPrefs({ density })}
          />
          <label className="option">
            <input
              type="checkbox"
              checked={prefs.shortcuts}
              onChange={event => setPrefs({ shortcuts: event.target.checked })}
            />
            {t.shortcuts}
          </label>
        </section>
        <section className="sheet">
          <div className="sheet-head">
            <h2>{t.who}</h2>
          </div>
          <div className="sheet-body">
            <Loaded from={me}>
              {({ subject, scopes, groups }) => (
                <Facts
                  of={[
                    [t.subject, subject],
                    [t.scopes, scopes.join(", ")],
                    [t.groups, groups.join(", ")],
                  ]}
                />
              )}
            </Loaded>
          </div>
        </section>
      </div>
      {may(me.data, "admin") && <ServerSettings />}
    </Page>
  )
}

interface ChoiceGiven<Name extends string> {
  legend: string
  labels: Record<Name, string>
  chosen: Name
  onChoose: (name: Name) => void
}

function Choice<Name extends string>({ legend, labels, chosen, onChoose }: ChoiceGiven<Name>) {
  return (
    <fieldset className="control">
      <legend>{legend}</legend>
      {(Object.keys(labels) as Name[]).map(name => (
        <label key={name} className="option">
          <input type="radio" name={legend} checked={name === chosen} onChange={() => onChoose(name)} />
          {labels[name]}
        </label>
      ))}
    </fieldset>
  )
}
