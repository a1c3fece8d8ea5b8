import { useQuery, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { attach, comment, fileAddress, type InboxItem } from "@/api/inbox"
import { eventsOptions, type TaskEvent, taskKey } from "@/api/tasks"
import { Button } from "@/parts/Button"
import { Icon } from "@/parts/Icon"
import { Moment } from "@/parts/Moment"
import { attempt, notify } from "@/parts/Toasts"
import { inbox as t } from "@/texts/inbox"

/** What was said and done about the work, and saying more. */
export function Talk({ item }: { item: InboxItem }) {
  const { taskId, actions } = item
  const client = useQueryClient()
  const { data: events } = useQuery(eventsOptions(taskId))
  const key = `taskyard.comment.${taskId}`
  const [text, setText] = useState(() => sessionStorage.getItem(key) ?? "")
  const write = (next: string) => {
    setText(next)
    if (next) sessionStorage.setItem(key, next)
    else sessionStorage.removeItem(key)
  }
  const act = async (work: () => Promise<unknown>) => {
    const isDone = await attempt(work)
    await client.invalidateQueries({ queryKey: taskKey(taskId) })
    return isDone
  }
  const post = async (event: FormEvent) => {
    event.preventDefault()
    if (text.trim() && (await act(() => comment(taskId, text)))) write("")
  }
  const keep = (file: File | undefined) => {
    if (file) void act(() => attach(taskId, file).then(() => notify(t.attached(file.name))))
  }
  return (
    <details className="talk">
      <summary>{t.comments}</summary>
      <ol className="plain-list">
        {events?.items.map(event => (
          <li key={event.sequence}>
            <span className="number quiet">
              <Moment at={event.timestamp} />
            </span>
            <span>
              {wordsOf(event)} <Attachment taskId={taskId} event={event} />
            </span>
          </li>
        ))}
      </ol>
      {actions.includes("comments") && (
        <form className="row" onSubmit={event => void post(event)}>
          <input
            className="field talk-field"
            aria-label={t.comment}
            placeholder={t.comment}
            value={text}
            onChange={event => write(event.target.value)}
          />
          <Button type="submit">{t.commentPost}</Button>
          {actions.includes("attachments") && (
            <span className="button file-button">
              <Icon name="upload" />
              {t.attach}
              <input type="file" aria-label={t.attach} onChange={event => keep(event.target.files?.[0])} />
            </span>
          )}
        </form>
      )}
    </details>
  )
}

/** The file that was added, to be taken away. */
function Attachment({ taskId, event }: { taskId: string; event: TaskEvent }) {
  const file = event.data.attachment as { uploadId: string; name: string } | undefined
  if (!file) return null
  return (
    <a href={fileAddress(taskId, file.uploadId)} download={file.name}>
      {file.name}
    </a>
  )
}

/** What happened, and who did what in which words, as far as it is told. */
function wordsOf(event: TaskEvent): string {
  const {
    by,
    text,
    comment: said,
    reason,
    name,
    attachment,
  } = event.data as Record<string, string | undefined>
  const what = attachment ? t.added : (event.type.split(".").at(-1) ?? event.type)
  return [by && `${by}:`, text ?? said ?? reason ?? name ?? what].filter(Boolean).join(" ")
}
