import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query"
import { get, post, read, root, type Schemas } from "./client"
import { everyPage } from "./pages"

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

/** A page's most tasks. */
const MOST = 200

/** How many a list of tasks begins with. */
export const PAGE = 100

export const tasksOptions = (query: TaskQuery) =>
  infiniteQueryOptions({
    queryKey: ["tasks", query],
    // The first page is to be there soon; who goes on wants much.
    queryFn: ({ pageParam, signal }) =>
      getTasks({ query: { ...query, ...(pageParam && { cursor: pageParam, limit: MOST }) }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
    // What changes is told and patched; asked for anew, rows would jump and further pages be gone.
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })

/** The newest tasks that fit, so many at most. */
export async function everyTask(query: TaskQuery, most: number): Promise<Task[]> {
  const tasks: Task[] = []
  let cursor: string | undefined
  do {
    const page = await getTasks({ query: { ...query, limit: MOST, cursor } })
    tasks.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor && tasks.length < most)
  return tasks.slice(0, most)
}

/** The newest tasks that fit, as they are now. */
export const getNewest = (query: TaskQuery) => getTasks({ query })

/** The tasks with these ids, to be shown. */
export const someOptions = (taskIds: string[]) =>
  queryOptions({
    queryKey: ["tasks", "some", taskIds],
    queryFn: ({ signal }) => getTasks({ query: { taskIds }, signal }),
  })

/** The tasks with these ids as they are now. */
export const getSome = (taskIds: string[]) => getTasks({ query: { taskIds } })

export const attemptsOptions = (taskId: string) =>
  queryOptions({
    queryKey: [...taskKey(taskId), "attempts"],
    queryFn: ({ signal }) =>
      everyPage(cursor =>
        get("/api/v1/tasks/{taskId}/attempts", { path: { taskId }, query: { limit: 200, cursor }, signal }),
      ),
  })

export const eventsOptions = (taskId: string) =>
  queryOptions({
    queryKey: [...taskKey(taskId), "events"],
    queryFn: ({ signal }) =>
      everyPage(cursor =>
        get("/api/v1/tasks/{taskId}/events", { path: { taskId }, query: { limit: 200, cursor }, signal }),
      ),
  })

export const whyOptions = (taskId: string) =>
  queryOptions({
    queryKey: [...taskKey(taskId), "why"],
    queryFn: ({ signal }) => get("/api/v1/tasks/{taskId}/why", { path: { taskId }, signal }),
  })

/** The trace a task is in, which is the same for ever. */
export const traceOptions = (taskId: string) =>
  queryOptions({
    queryKey: ["trace", taskId],
    queryFn: ({ signal }) => get("/api/v1/tasks/{taskId}/trace", { path: { taskId }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })

export const childrenOptions = (taskId: string) =>
  infiniteQueryOptions({
    queryKey: [...taskKey(taskId), "children"],
    queryFn: ({ pageParam, signal }) =>
      getTasks({ query: { parentTaskId: taskId, limit: 100, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
  })

/** The tasks of a workflow, the newest 200. */
export const tasksOfWorkflowOptions = (workflowId: string) =>
  queryOptions({
    queryKey: ["tasks", "workflow", workflowId],
    queryFn: ({ signal }) => getTasks({ query: { workflowId, limit: 200 }, signal }),
    enabled: workflowId !== "",
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

export type Many = Partial<Schemas["ManyTasks"]>

export const cancelMany = (body: Many) => post("/api/v1/tasks/cancel", { body })
export const retryMany = (body: Many) => post("/api/v1/tasks/retry", { body })

export const create = (body: Partial<Schemas["TaskRequest"]>) => post("/api/v1/tasks", { body })

/** Run a task and wait for its end, for half a minute at most; `status` is there if it has come. */
export const runAndWait = (key: string, input: unknown) =>
  post("/admin/task/{key}/run", { path: { key }, body: input as Record<string, unknown> })

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
