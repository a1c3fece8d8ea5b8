import { queryOptions } from "@tanstack/react-query"
import { get, post, read, root, type Schemas } from "./client"

export type InboxItem = Schemas["InboxItem"]
export type View = "open" | "mine" | "claimed" | "groups" | "unclaimed" | "overdue" | "done"
export type Sort = "due" | "priority" | "age"

export const inboxOptions = (view: View, sort: Sort, q: string) =>
  queryOptions({
    queryKey: ["inbox", view, sort, q],
    queryFn: ({ signal }) =>
      get("/api/v1/inbox", { query: { view, sort, q: q || undefined, limit: 100 }, signal }),
    refetchInterval: 5_000,
  })

export const inboxCountsOptions = queryOptions({
  queryKey: ["inbox", "counts"],
  queryFn: ({ signal }) => get("/api/v1/inbox/counts", { signal }),
  refetchInterval: 15_000,
})

export const inboxItemOptions = (taskId: string) =>
  queryOptions({
    queryKey: ["inbox", "item", taskId],
    queryFn: ({ signal }) => get("/api/v1/inbox/{taskId}", { path: { taskId }, signal }),
  })

export const claim = (taskId: string) => post("/api/v1/tasks/{taskId}/claim", { path: { taskId } })
export const release = (taskId: string) => post("/api/v1/tasks/{taskId}/release", { path: { taskId } })
export const resolve = (taskId: string) => post("/api/v1/tasks/{taskId}/resolve", { path: { taskId } })
export const saveDraft = (taskId: string, output: unknown) =>
  post("/api/v1/tasks/{taskId}/draft", { path: { taskId }, body: { output } })
export const complete = (taskId: string, output: unknown) =>
  post("/api/v1/tasks/{taskId}/complete", { path: { taskId }, body: { output } })
export const reject = (taskId: string, reason: string) =>
  post("/api/v1/tasks/{taskId}/reject", { path: { taskId }, body: { reason } })
export const comment = (taskId: string, text: string) =>
  post("/api/v1/tasks/{taskId}/comments", { path: { taskId }, body: { text } })
export const reassign = (
  taskId: string,
  assigneeType: "USER" | "GROUP",
  assigneeId: string,
  reason: string,
) =>
  post("/api/v1/tasks/{taskId}/reassign", {
    path: { taskId },
    body: { assigneeType, assigneeId, reason: reason || null },
  })

/** Keep a file with a task. */
export async function attach(taskId: string, file: File): Promise<unknown> {
  const body = new FormData()
  body.append("file", file)
  return read(await fetch(`${root}/api/v1/tasks/${taskId}/attachments`, { method: "POST", body }))
}
