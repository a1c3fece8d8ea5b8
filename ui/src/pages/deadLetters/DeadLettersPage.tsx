import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useMemo, useState } from "react"
import { deadLettersOptions } from "@/api/deadLetters"
import { span } from "@/lib/time"
import { useSearchText } from "@/lib/useSearchText"
import { useChanges } from "@/live/changes"
import { Button } from "@/parts/Button"
import { Empty } from "@/parts/Empty"
import { Loaded } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { common } from "@/texts/common"
import { deadLetters as t } from "@/texts/deadLetters"
import { DiscardDialog } from "./DiscardDialog"
import { type Group, groupByCause } from "./fingerprint"
import { RequeueDialog } from "./RequeueDialog"
import "./deadLetters.css"

/** Dead letters by their cause; a group is mended or given up at once. */
export function DeadLettersPage() {
  const [search] = useSearchText()
  const client = useQueryClient()
  const options = deadLettersOptions(search.definition)
  const letters = useInfiniteQuery(options)
  const [held, setHeld] = useState(false)
  useChanges(() => void (held || client.invalidateQueries({ queryKey: options.queryKey })))
  const tasks = useMemo(() => letters.data?.pages.flatMap(page => page.items) ?? [], [letters.data])
  const groups = useMemo(() => groupByCause(tasks), [tasks])
  return (
    <Page title={t.title} about={tasks.length ? `${t.about} ${t.searched(tasks.length)}` : t.about}>
      <Loaded from={letters}>
        {() =>
          groups.length === 0 ? (
            <Empty title={t.none}>
              <p>{t.noneHelp}</p>
            </Empty>
          ) : (
            <ul className="stack">
              {groups.map(group => (
                <GroupSheet key={group.fingerprint} group={group} onHold={setHeld} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {letters.hasNextPage && <Button onClick={() => void letters.fetchNextPage()}>{common.more}</Button>}
    </Page>
  )
}

function GroupSheet({ group, onHold }: { group: Group; onHold: (on: boolean) => void }) {
  const [asks, setAsks] = useState<"requeue" | "discard" | null>(null)
  const ask = (what: typeof asks) => {
    setAsks(what)
    onHold(what !== null)
  }
  const ids = group.tasks.map(task => task.taskId)
  return (
    <li className="sheet cause">
      <div className="cause-head">
        <div>
          <p>
            <Link className="title" to="/task/$key" params={{ key: group.definition }}>
              {group.title}
            </Link>{" "}
            <strong className="number st-dead">{group.code}</strong>
          </p>
          <p className="cause-message">{group.message}</p>
          <p className="quiet">
            {t.count(group.tasks.length)}, {t.seen} <Moment at={group.tasks.at(-1)?.deadLetteredAt} />,{" "}
            {t.last} <Moment at={group.tasks[0]?.deadLetteredAt} />
          </p>
        </div>
        <div className="row">
          <Button icon="again" onClick={() => ask("requeue")}>
            {t.requeue}
          </Button>
          <Button icon="trash" onClick={() => ask("discard")}>
            {t.discard}
          </Button>
        </div>
      </div>
      <details>
        <summary className="padded">{t.show}</summary>
        <ul className="recent">
          {group.tasks.map(task => (
            <li key={task.taskId}>
              <Link className="id" to="/run/$taskId" params={{ taskId: task.taskId }}>
                {task.taskId}
              </Link>
              <span className="quiet">{task.error?.message as string}</span>
              <span className="spring" />
              <span className="number quiet">{span(task.executionTime)}</span>
              <span className="number quiet">
                <Moment at={task.deadLetteredAt} />
              </span>
            </li>
          ))}
        </ul>
      </details>
      {asks === "requeue" && (
        <RequeueDialog taskIds={ids} input={group.tasks[0]?.input} onClose={() => ask(null)} />
      )}
      {asks === "discard" && <DiscardDialog taskIds={ids} onClose={() => ask(null)} />}
    </li>
  )
}
