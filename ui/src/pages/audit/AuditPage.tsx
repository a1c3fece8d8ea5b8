import { useQuery } from "@tanstack/react-query"
import { may, meOptions } from "@/api/operations"
import { useSearchText } from "@/lib/useSearchText"
import { useSettled } from "@/lib/useSettled"
import { Chip } from "@/parts/Button"
import { Page } from "@/parts/Page"
import { audit as t } from "@/texts/audit"
import { DeedsOfTasks } from "./DeedsOfTasks"
import { Journal } from "./Journal"

/** Who did what: to tasks, and for admins to everything else. */
export function AuditPage() {
  const [search, setSearch] = useSearchText()
  const { data: me } = useQuery(meOptions)
  const by = useSettled(search.by?.trim() || undefined)
  const isJournal = search.of === "server" && may(me, "admin")
  return (
    <Page title={t.title} about={t.about}>
      <div className="stack">
        {may(me, "admin") && (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset would be framed
          <div className="chips" role="group" aria-label={t.of}>
            <Chip isOn={!isJournal} onClick={() => setSearch({ of: "" })}>
              {t.ofTasks}
            </Chip>
            <Chip isOn={isJournal} onClick={() => setSearch({ of: "server" })}>
              {t.ofServer}
            </Chip>
          </div>
        )}
        {isJournal ? <Journal by={by} /> : <DeedsOfTasks by={by} />}
      </div>
    </Page>
  )
}
