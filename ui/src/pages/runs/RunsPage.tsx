import { useQuery } from "@tanstack/react-query"
import { useMemo, useState } from "react"
import { definitionsOptions } from "@/api/definitions"
import { may, meOptions } from "@/api/operations"
import { PAGE } from "@/api/tasks"
import { parseFilter } from "@/lib/filter"
import { useSearchText } from "@/lib/useSearchText"
import { Button } from "@/parts/Button"
import { Loaded } from "@/parts/Loaded"
import { More } from "@/parts/More"
import { Page } from "@/parts/Page"
import { runs as t } from "@/texts/runs"
import { BulkBar } from "./BulkBar"
import { ExportRuns } from "./ExportRuns"
import { FilterBar } from "./FilterBar"
import { NoRuns } from "./NoRuns"
import { RunsTable } from "./RunsTable"
import { SavedViews } from "./SavedViews"
import { StateChips } from "./StateChips"
import { useLiveRuns } from "./useLiveRuns"
import { useSelection } from "./useSelection"
import "./runs.css"

/** All runs, by a filter that stands in the address. */
export function RunsPage() {
  const [search, setSearch] = useSearchText()
  const text = search.q ?? ""
  // Ages count from when they are asked for, so that the question, and with it what is shown, stays the same.
  const { query, problems } = useMemo(() => parseFilter(text, Date.now()), [text])
  const isMeant = problems.length === 0
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
    <Page
      title={t.title}
      about={t.last24}
      actions={
        <>
          <SavedViews text={text} isMeant={isMeant} onChoose={setText} />
          {isMeant && runs.tasks.length > 0 && <ExportRuns query={query} />}
        </>
      }
    >
      <div className="stack">
        <FilterBar
          text={text}
          problems={problems}
          tasks={(definitions ?? []).map(each => each.key)}
          onText={setText}
        />
        <div className="row">
          <StateChips text={text} definition={query.definition} onText={setText} />
          <span className="spring" />
          {runs.fresh > 0 && (
            <Button icon="up" onClick={runs.showFresh}>
              {t.fresh(runs.fresh, runs.fresh >= PAGE)}
            </Button>
          )}
        </div>
        {isMeant && selection.ids.size > 0 && (
          <BulkBar
            selection={selection}
            query={query}
            hasMore={runs.hasNextPage}
            isAllShown={runs.tasks.every(task => selection.ids.has(task.taskId))}
          />
        )}
        <Loaded from={runs}>
          {() => (
            <div className="sheet" onPointerEnter={() => setOver(true)} onPointerLeave={() => setOver(false)}>
              {runs.tasks.length > 0 ? (
                <RunsTable tasks={runs.tasks} selection={selection} />
              ) : (
                <NoRuns isFiltered={text !== ""} onClear={() => setText("")} />
              )}
            </div>
          )}
        </Loaded>
        <More of={runs} isEager />
      </div>
    </Page>
  )
}
