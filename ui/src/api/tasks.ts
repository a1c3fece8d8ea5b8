import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query"
import { get, post, read, root, type Schemas } from "./client"

export type Task = Schemas["Task"]
export type Attempt = Schemas["Attempt"]
export type TaskEvent = Schemas["Envelope"]
export type Status = Task["status"]
export type Brief = Schemas["Brief"]
export type TaskQuery = Omit<NonNullable<Parameters<typeof getTasks>[0]["query"]>, "cursor" | "taskIds">

const getTasks = (given: Parameters<typeof get<"/api/v1/tasks">>[1]) => get("/api/v1/tasks", given)

/** The key of everything that is known of one task. */
export const taskKey = (taskId: string) => ["task", taskId] as const

export const taskOptions = (taskId: string) =>
  queryOptions({
    queryKey: taskKey(taskId),
    queryFn: ({ signal }) => get("/api/v1/tasks/{taskId}", { path: { taskId }, signal }),
  })

export const tasksOptions = (query: TaskQuery) =>
  infiniteQueryOptions({
    queryKey: ["tasks", query],
    queryFn: ({ pageParam, signal }) => getTasks({ query: { ...query, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
  })

/** The tasks with these ids as they are now. */
export const getSome = (taskIds: string[]) => getTasks({ query: { taskIds } })

export const attemptsOptions = (taskId: string) =>
  queryOptions({
    queryKey: [...taskKey(taskId), "attempts"],
    queryFn: ({ signal }) =>
      get("/api/v1/tasks/{taskId}/attempts", { path: { taskId }, query: { limit: 200 }, signal }),
  })

export const eventsOptions = (taskId: string) =>
  queryOptions({
    queryKey: [...taskKey(taskId), "events"],
    queryFn: ({ signal }) =>
      get("/api/v1/tasks/{taskId}/events", { path: { taskId }, query: { limit: 200 }, signal }),
  })

export const whyOptions = (taskId: string) =>
  queryOptions({
    queryKey: [...taskKey(taskId), "why"],
    queryFn: ({ signal }) => get("/api/v1/tasks/{taskId}/why", { path: { taskId }, signal }),
  })

export const childrenOptions = (taskId: string) =>
  queryOptions({
    queryKey: [...taskKey(taskId), "children"],
    queryFn: ({ signal }) => getTasks({ query: { parentTaskId: taskId, limit: 100 }, signal }),
  })

export const recentOptions = (keys: string[]) =>
  queryOptions({
    queryKey: ["recent", keys],
    queryFn: ({ signal }) => get("/api/v1/recent", { query: { definition: keys }, signal }),
    enabled: keys.length > 0,
  })

export const cancel = (taskId: string, reason: string | null = null) =>
  post("/api/v1/tasks/{taskId}/cancel", { path: { taskId }, body: { reason } })

export const retry = (taskId: string) => post("/api/v1/tasks/{taskId}/retry", { path: { taskId } })

export const create = (body: Partial<Schemas["TaskRequest"]>) => post("/api/v1/tasks", { body })

export type ExportFormat = "json" | "csv" | "xml" | "yaml"

export const outputAddress = (taskId: string, format: ExportFormat) =>
  `${root}/api/v1/tasks/${taskId}/output?format=${format}`

/** Keep a file with the server; the id is what a file field sends. */
export async function upload(file: File): Promise<Schemas["UploadAnswer"]> {
  const body = new FormData()
  body.append("file", file)
  return (await read(
    await fetch(`${root}/api/v1/uploads`, { method: "POST", body }),
  )) as Schemas["UploadAnswer"]
}
