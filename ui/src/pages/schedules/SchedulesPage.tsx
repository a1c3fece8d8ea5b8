import { useQuery, useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { may, meOptions } from "@/api/operations"
import { pauseSchedule, resumeSchedule, runSchedule, type Schedule, schedulesOptions } from "@/api/schedules"
import { span } from "@/lib/time"
import { Button } from "@/parts/Button"
import { Empty } from "@/parts/Empty"
import { Loaded } from "@/parts/Loaded"
import { Instant, Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { notify } from "@/parts/Toasts"
import { schedules as t } from "@/texts/schedules"

/** What is started again and again: when next, and how it went last. */
export function SchedulesPage() {
  const schedules = useQuery(schedulesOptions)
  return (
    <Page title={t.title} about={t.about}>
      <Loaded from={schedules}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title={t.none}>
              <p>{t.noneHelp}</p>
            </Empty>
          ) : (
            <div className="sheet scrolls">
              <table className="ledger folds">
                <thead>
                  <tr>
                    <th scope="col">{t.columns.schedule}</th>
                    <th scope="col">{t.columns.task}</th>
                    <th scope="col">{t.columns.when}</th>
                    <th scope="col">{t.columns.next}</th>
                    <th scope="col">{t.columns.last}</th>
                    <th scope="col">
                      <span className="sr">{t.runNow}</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {items.map(schedule => (
                    <ScheduleRow key={schedule.scheduleId} schedule={schedule} />
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Loaded>
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

function Verbs({ schedule: { scheduleId, paused } }: { schedule: Schedule }) {
  const client = useQueryClient()
  const { data: me } = useQuery(meOptions)
  if (!may(me, "tasks:write")) return null
  const act = async (verb: (id: string) => Promise<unknown>, text?: string) => {
    try {
      await verb(scheduleId)
      if (text) notify(text)
    } catch (error) {
      notify((error as Error).message)
    }
    await client.invalidateQueries({ queryKey: schedulesOptions.queryKey })
  }
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
        onClick={() => void act(paused ? resumeSchedule : pauseSchedule)}
      >
        {paused ? t.resume : t.pause}
      </Button>
    </span>
  )
}
