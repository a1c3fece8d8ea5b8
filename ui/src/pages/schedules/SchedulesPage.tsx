import { useQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { may, meOptions } from "@/api/operations"
import {
  pauseSchedule,
  putSchedule,
  removeSchedule,
  resumeSchedule,
  runSchedule,
  type Schedule,
  schedulesOptions,
} from "@/api/schedules"
import { span } from "@/lib/time"
import { Button, IconButton } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { Ledger } from "@/parts/Ledger"
import { Listed } from "@/parts/Loaded"
import { Instant, Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { attempt, notify } from "@/parts/Toasts"
import { schedules as t } from "@/texts/schedules"

/** What is started again and again: when next, and how it went last. */
export function SchedulesPage() {
  const schedules = useQuery(schedulesOptions)
  return (
    <Page title={t.title} about={t.about}>
      <Listed from={schedules} none={t.none} noneHelp={t.noneHelp}>
        {items => (
          <div className="sheet scrolls">
            <Ledger
              heads={[
                t.columns.schedule,
                t.columns.task,
                t.columns.when,
                t.columns.next,
                t.columns.last,
                { unseen: t.runNow },
              ]}
            >
              {items.map(schedule => (
                <ScheduleRow key={schedule.scheduleId} schedule={schedule} />
              ))}
            </Ledger>
          </div>
        )}
      </Listed>
    </Page>
  )
}

function ScheduleRow({ schedule }: { schedule: Schedule }) {
  const { scheduleId, taskDefinitionId, cron, interval, timezone, paused, nextRuns, lastRun, lastError } =
    schedule
  return (
    <tr>
      <td className="wide">
        <span className="title">{scheduleId}</span> {paused && <span className="tag danger">{t.paused}</span>}
      </td>
      <td>
        <Link to="/task/$key" params={{ key: taskDefinitionId }}>
          {taskDefinitionId}
        </Link>
      </td>
      <td className="number">
        {cron ?? (interval == null ? "" : t.every(span(interval * 1000)))}{" "}
        <span className="quiet">{cron && timezone}</span>
      </td>
      <td>
        {nextRuns[0] ? (
          <details>
            <summary>
              <Moment at={nextRuns[0]} />
            </summary>
            <p className="quiet">{t.nextFive}</p>
            <ol>
              {nextRuns.map(at => (
                <li key={at} className="number">
                  <Instant at={at} />
                </li>
              ))}
            </ol>
          </details>
        ) : (
          t.never
        )}
      </td>
      <td>
        {lastRun ? (
          <Link to="/run/$taskId" params={{ taskId: lastRun.taskId }}>
            <Moment at={lastRun.at} />
          </Link>
        ) : (
          t.never
        )}
        {lastError && <p className="fault">{lastError.message}</p>}
      </td>
      <td className="right">
        <Verbs schedule={schedule} />
      </td>
    </tr>
  )
}

type Verb = (id: string) => Promise<unknown>

/** What was stored of it, without what became of it. */
function bodyOf({ nextRuns, lastRun, lastError, ...body }: Schedule) {
  return body
}

function Verbs({ schedule }: { schedule: Schedule }) {
  const { scheduleId, paused } = schedule
  const client = useQueryClient()
  const { data: me } = useQuery(meOptions)
  const [asks, setAsks] = useState(false)
  const refresh = () => client.invalidateQueries({ queryKey: schedulesOptions.queryKey })
  const act = async (verb: Verb, text: string, back?: Verb) => {
    const undo = back && (() => back(scheduleId).then(refresh))
    if (await attempt(() => verb(scheduleId))) notify(text, undo)
    await refresh()
  }
  const forget = async () => {
    await removeSchedule(scheduleId)
    notify(t.removed(scheduleId), () => putSchedule(scheduleId, bodyOf(schedule)).then(refresh))
    await refresh()
  }
  if (!may(me, "tasks:write")) return null
  return (
    <span className="row">
      <Button
        icon="play"
        aria-label={`${t.runNow}: ${scheduleId}`}
        onClick={() => void act(runSchedule, t.started)}
      >
        {t.runNow}
      </Button>
      <Button
        aria-label={`${paused ? t.resume : t.pause}: ${scheduleId}`}
        onClick={() =>
          void (paused
            ? act(resumeSchedule, t.isResumed(scheduleId), pauseSchedule)
            : act(pauseSchedule, t.isPaused(scheduleId), resumeSchedule))
        }
      >
        {paused ? t.resume : t.pause}
      </Button>
      <IconButton icon="trash" label={`${t.remove}: ${scheduleId}`} onClick={() => setAsks(true)} />
      {asks && (
        <Confirm
          title={t.removeTitle(scheduleId)}
          verb={t.remove}
          look="danger"
          onConfirm={forget}
          onClose={() => setAsks(false)}
        >
          <p>{t.removeHelp}</p>
        </Confirm>
      )}
    </span>
  )
}
