import { useQuery } from "@tanstack/react-query"
import { useMemo, useState } from "react"
import { definitionsOptions } from "@/api/definitions"
import { may, meOptions } from "@/api/operations"
import { parseFilter } from "@/lib/filter"
import { useNow } from "@/lib/useNow"
import { useSearchText } from "@/lib/useSearchText"
import { Button } from "@/parts/Button"
import { Loaded } from "@/parts/Loaded"
import { Page } from "@/parts/Page"
import { common } from "@/texts/common"
import { runs as t } from "@/texts/runs"
import { BulkBar } from "./BulkBar"
import { FilterBar } from "./FilterBar"
import { NoRuns } from "./NoRuns"
import { RunsTable } from "./RunsTable"
import { SavedViews } from "./SavedViews"
import { StateChips } from "./StateChips"
import { useLiveRuns } from "./useLiveRuns"
import { useSelection } from "./useSelection"
import "./runs.css"

const MINUTE = 60_000

/** All runs, by a filter that stands in the address. */
export function RunsPage() {
  const [search, setSearch] = useSearchText()
  const text = search.q ?? ""
  const minute = Math.floor(useNow() / MINUTE) * MINUTE // ages need no more, and the question stays the same meanwhile
  const { query, problems } = useMemo(() => parseFilter(text, minute), [text, minute])
  const { data: me } = useQuery(meOptions)
  const { data: definitions } = useQuery({
    ...definitionsOptions,
    enabled: may(me, "tasks:read", "definitions:write"),
  })
  const selection = useSelection()
  const [isOver, setOver] = useState(false)
  const runs = useLiveRuns(query, selection.ids.size > 0 || isOver)
  const setText = (next: string) => setSearch({ q: next })
  return (
    <Page title={t.title} about={t.last24} actions={<SavedViews text={text} onChoose={setText} />}>
      <div className="stack">
        <FilterBar
          text={text}
          problems={problems}
          tasks={(definitions ?? []).map(each => each.key)}
          onText={setText}
        />
        <StateChips text={text} definition={query.definition} onText={setText} />
        {selection.ids.size > 0 && <BulkBar tasks={runs.tasks} selection={selection} />}
        <Loaded from={runs}>
          {() => (
            <div className="sheet" onPointerEnter={() => setOver(true)} onPointerLeave={() => setOver(false)}>
              {runs.fresh > 0 && (
                <button type="button" className="fresh" onClick={runs.showFresh}>
                  {t.fresh(runs.fresh)}
                </button>
              )}
              {runs.tasks.length > 0 ? (
                <RunsTable tasks={runs.tasks} selection={selection} />
              ) : (
                <NoRuns isFiltered={text !== ""} onClear={() => setText("")} />
              )}
            </div>
          )}
        </Loaded>
        {runs.hasNextPage && (
          <div>
            <Button onClick={() => void runs.fetchNextPage()} disabled={runs.isFetchingNextPage}>
              {common.more}
            </Button>
          </div>
        )}
      </div>
    </Page>
  )
}
