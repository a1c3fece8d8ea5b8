import { queryOptions } from "@tanstack/react-query"
import { get, post, type Schemas } from "./client"
import { every } from "./pages"

export type Me = Schemas["Me"]
export type Metrics = Schemas["Metrics"]
export type QueueFigures = Schemas["QueueFigures"]
export type Worker = Schemas["Worker"]

/** Figures of one definition, type or kind, as the metrics tell them. */
export interface Figures {
  counts: Partial<Record<string, number>>
  executionTime: { p50: number | null; p95: number | null; p99: number | null }
  errorRate: number
}

export const meOptions = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => get("/api/v1/me", { signal }),
  staleTime: 60_000,
})

export const metricsOptions = queryOptions({
  queryKey: ["metrics"],
  queryFn: ({ signal }) => get("/api/v1/metrics", { signal }),
  refetchInterval: every(5_000),
})

export type HistoryRange = "15m" | "1h" | "6h" | "24h" | "7d"

export const historyOptions = (range: HistoryRange) =>
  queryOptions({
    queryKey: ["history", range],
    queryFn: ({ signal }) => get("/api/v1/metrics/history", { query: { range }, signal }),
    refetchInterval: every(10_000),
  })

export const settingsOptions = queryOptions({
  queryKey: ["settings"],
  queryFn: ({ signal }) => get("/api/v1/settings", { signal }),
  staleTime: 60_000,
})

export const queuesOptions = queryOptions({
  queryKey: ["queues"],
  queryFn: ({ signal }) => get("/api/v1/queues", { signal }),
  refetchInterval: every(2_000),
})

export const workersOptions = queryOptions({
  queryKey: ["workers"],
  queryFn: ({ signal }) => get("/api/v1/workers", { signal }),
  refetchInterval: every(2_000),
})

export const pause = (name: string) => post("/api/v1/queues/{name}/pause", { path: { name } })
export const resume = (name: string) => post("/api/v1/queues/{name}/resume", { path: { name } })

/** Whether they may do what needs one of these scopes; the server decides all the same. */
export const may = (me: Me | undefined, ...scopes: string[]) =>
  me?.scopes.some(scope => scope === "admin" || scopes.includes(scope)) ?? false
