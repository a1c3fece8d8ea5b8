import { useQuery, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { attach, comment, type InboxItem } from "@/api/inbox"
import { eventsOptions, type TaskEvent, taskKey } from "@/api/tasks"
import { Button } from "@/parts/Button"
import { Icon } from "@/parts/Icon"
import { Moment } from "@/parts/Moment"
import { notify } from "@/parts/Toasts"
import { inbox as t } from "@/texts/inbox"

/** What was said and done about the work, and saying more. */
export function Talk({ item }: { item: InboxItem }) {
  const { taskId, actions } = item
  const client = useQueryClient()
  const { data: events } = useQuery(eventsOptions(taskId))
  const [text, setText] = useState("")
  const act = async (work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (error) {
      notify((error as Error).message)
    }
    await client.invalidateQueries({ queryKey: taskKey(taskId) })
  }
  const post = (event: FormEvent) => {
    event.preventDefault()
    if (text.trim()) void act(() => comment(taskId, text)).then(() => setText(""))
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
            <span>{wordsOf(event)}</span>
          </li>
        ))}
      </ol>
      {actions.includes("comments") && (
        <form className="row" onSubmit={post}>
          <input
            className="field talk-field"
            aria-label={t.comment}
            placeholder={t.comment}
            value={text}
            onChange={event => setText(event.target.value)}
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

/** What happened, and who did what in which words, as far as it is told. */
function wordsOf(event: TaskEvent): string {
  const { by, text, comment: said, reason, name } = event.data as Record<string, string | undefined>
  const what = event.type.split(".").at(-1) ?? event.type
  return [by && `${by}:`, text ?? said ?? reason ?? name ?? what].filter(Boolean).join(" ")
}
