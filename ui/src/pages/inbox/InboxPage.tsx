import { useInfiniteQuery, useQuery } from "@tanstack/react-query"
import { useNavigate, useParams } from "@tanstack/react-router"
import { useState } from "react"
import {
  type InboxItem,
  inboxCountsOptions,
  inboxItemOptions,
  inboxOptions,
  type Sort,
  type View,
} from "@/api/inbox"
import { useSearchText } from "@/lib/useSearchText"
import { Chip } from "@/parts/Button"
import { Empty } from "@/parts/Empty"
import { Loaded } from "@/parts/Loaded"
import { More } from "@/parts/More"
import { Page } from "@/parts/Page"
import { inbox as t } from "@/texts/inbox"
import { InboxList } from "./InboxList"
import { WorkSheet } from "./WorkSheet"
import "./inbox.css"

const VIEWS = Object.keys(t.views) as (keyof typeof t.views)[]
const SORTS = Object.keys(t.sorts) as Sort[]

/** What a person has to do: the list, and the one they are at beside it. */
export function InboxPage() {
  const { taskId } = useParams({ strict: false }) as { taskId?: string }
  const [search, setSearch] = useSearchText()
  const view: View = VIEWS.find(each => each === search.view) ?? "open"
  const sort: Sort = SORTS.find(each => each === search.sort) ?? "due"
  const found = useInfiniteQuery(inboxOptions(view, sort, search.q ?? ""))
  const { data: counts } = useQuery(inboxCountsOptions)
  const items = found.data?.pages.flatMap(page => page.items) ?? []
  const first = useFirst(items, `${view} ${sort} ${search.q ?? ""}`)
  const at = taskId ?? (isNarrow() ? undefined : first)
  return (
    <Page title={t.title} about={t.about}>
      <div className="stack">
        <div className="row">
          {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would be framed */}
          <div className="chips" role="group" aria-label={t.viewsLabel}>
            {VIEWS.map(each => (
              <Chip
                key={each}
                isOn={each === view}
                count={each === "done" ? undefined : counts?.[each]}
                onClick={() => setSearch({ view: each === "open" ? "" : each })}
              >
                {t.views[each]}
              </Chip>
            ))}
          </div>
          <span className="spring" />
          <input
            className="field"
            type="search"
            data-filter
            aria-label={t.search}
            placeholder={t.search}
            value={search.q ?? ""}
            onChange={event => setSearch({ q: event.target.value })}
          />
          <select
            className="field"
            aria-label={t.sort}
            value={sort}
            onChange={event => setSearch({ sort: event.target.value })}
          >
            {SORTS.map(each => (
              <option key={each} value={each}>
                {t.sorts[each]}
              </option>
            ))}
          </select>
        </div>
        <Loaded from={found}>
          {() =>
            items.length === 0 && !taskId ? (
              <Empty title={view === "open" ? t.none : t.noneHere}>
                <p>{t.noneHelp}</p>
              </Empty>
            ) : (
              <div className={taskId ? "inbox at-one" : "inbox"}>
                <div className="stack">
                  <InboxList items={items} at={at} />
                  <More of={found} />
                </div>
                {at ? <One taskId={at} items={items} /> : <p className="quiet choose-one">{t.choose}</p>}
              </div>
            )
          }
        </Loaded>
      </div>
    </Page>
  )
}

function One({ taskId, items }: { taskId: string; items: InboxItem[] }) {
  const item = useQuery(inboxItemOptions(taskId))
  const navigate = useNavigate()
  const goOn = (next: string | undefined) => {
    const target = next ?? items.find(each => each.taskId !== taskId)?.taskId
    return target
      ? navigate({ to: "/inbox/$taskId", params: { taskId: target }, search: old => old })
      : navigate({ to: "/inbox" })
  }
  return <Loaded from={item}>{data => <WorkSheet key={taskId} item={data} onDone={goOn} />}</Loaded>
}

/** The first of what is asked for, which stays the one at hand when others come before it. */
function useFirst(items: InboxItem[], question: string): string | undefined {
  const [kept, setKept] = useState<{ question: string; taskId?: string }>({ question })
  const isKept = kept.question === question && kept.taskId !== undefined && items.length > 0
  const taskId = isKept ? kept.taskId : items[0]?.taskId
  if (kept.question !== question || kept.taskId !== taskId) setKept({ question, taskId })
  return taskId
}

const isNarrow = () => window.matchMedia("(max-width: 860px)").matches
