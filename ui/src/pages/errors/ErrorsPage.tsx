import { useQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { errorsOptions } from "@/api/errors"
import { may, meOptions } from "@/api/operations"
import { withTerm } from "@/lib/filter"
import { useSearchText } from "@/lib/useSearchText"
import { SPARING, useChanges } from "@/live/changes"
import { Chip } from "@/parts/Button"
import { Cause } from "@/parts/Causes"
import { Listed } from "@/parts/Loaded"
import { Page } from "@/parts/Page"
import { causes } from "@/texts/causes"
import { errors as t } from "@/texts/errors"

const DEFAULT = "168"

/** What has failed lately, by its cause; `?at=` opens one. */
export function ErrorsPage() {
  const [search, setSearch] = useSearchText()
  const client = useQueryClient()
  const { data: me } = useQuery(meOptions)
  const hours = search.hours && search.hours in t.ranges ? search.hours : DEFAULT
  const options = errorsOptions({ hours: Number(hours), definition: search.definition })
  const found = useQuery(options)
  useChanges(() => client.invalidateQueries({ queryKey: options.queryKey }), false, SPARING)
  const { data } = found
  return (
    <Page
      title={t.title}
      about={data?.items.length ? `${t.about} ${causes.searched(data.searched, data.complete)}` : t.about}
    >
      <div className="stack">
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would be framed */}
        <div className="chips" role="group" aria-label={t.hours}>
          {Object.entries(t.ranges).map(([each, title]) => (
            <Chip key={each} isOn={each === hours} onClick={() => setSearch({ hours: each })}>
              {title}
            </Chip>
          ))}
          {search.definition && (
            <Chip isOn onClick={() => setSearch({ definition: "" })}>
              {search.definition}
            </Chip>
          )}
        </div>
        <Listed from={found} none={t.none} noneHelp={t.noneHelp}>
          {items => (
            <ul className="stack">
              {items.map(group => (
                <Cause
                  key={group.fingerprint}
                  group={group}
                  isOpen={group.fingerprint === search.at}
                  actions={
                    <>
                      {group.dead > 0 && may(me, "queues:manage") && (
                        <Link className="button" to="/dead-letter" search={{ definition: group.definition }}>
                          {t.dead(group.dead)}
                        </Link>
                      )}
                      <Link
                        className="button"
                        to="/run"
                        search={{
                          q: withTerm(withTerm("", "error", group.code || null), "task", group.definition),
                        }}
                      >
                        {t.openRuns}
                      </Link>
                    </>
                  }
                />
              ))}
            </ul>
          )}
        </Listed>
      </div>
    </Page>
  )
}
