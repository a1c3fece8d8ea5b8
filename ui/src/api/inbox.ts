import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query"
import { get, post, read, root, type Schemas } from "./client"
import { every } from "./pages"

export type InboxItem = Schemas["InboxItem"]
export type View = "open" | "mine" | "claimed" | "groups" | "unclaimed" | "overdue" | "done"
export type Sort = "due" | "priority" | "age"

export const inboxOptions = (view: View, sort: Sort, q: string) =>
  infiniteQueryOptions({
    queryKey: ["inbox", view, sort, q],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/inbox", {
        query: { view, sort, q: q || undefined, limit: 100, cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
    refetchInterval: every(5_000),
  })

export const inboxCountsOptions = queryOptions({
  queryKey: ["inbox", "counts"],
  queryFn: ({ signal }) => get("/api/v1/inbox/counts", { signal }),
  refetchInterval: every(15_000),
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
export const complete = (taskId: string, output: unknown, outcome: string | null) =>
  post("/api/v1/tasks/{taskId}/complete", { path: { taskId }, body: { output, outcome } })
export const repair = (taskId: string, input: unknown) =>
  post("/api/v1/tasks/{taskId}/repair", { path: { taskId }, body: { input } })
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

/** Where a file of a task is to be had. */
export const fileAddress = (taskId: string, uploadId: string) =>
  `${root}/api/v1/tasks/${taskId}/uploads/${encodeURIComponent(uploadId)}`

/** Keep a file with a task. */
export async function attach(taskId: string, file: File): Promise<unknown> {
  const body = new FormData()
  body.append("file", file)
  return read(await fetch(`${root}/api/v1/tasks/${taskId}/attachments`, { method: "POST", body }))
}
