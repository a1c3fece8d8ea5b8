import { queryOptions } from "@tanstack/react-query"
import { get, post, type Schemas } from "./client"

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
  refetchInterval: 5_000,
})

export const queuesOptions = queryOptions({
  queryKey: ["queues"],
  queryFn: ({ signal }) => get("/api/v1/queues", { signal }),
  refetchInterval: 2_000,
})

export const workersOptions = queryOptions({
  queryKey: ["workers"],
  queryFn: ({ signal }) => get("/api/v1/workers", { signal }),
  refetchInterval: 2_000,
})

export const pause = (name: string) => post("/api/v1/queues/{name}/pause", { path: { name } })
export const resume = (name: string) => post("/api/v1/queues/{name}/resume", { path: { name } })

/** Whether they may do what needs one of these scopes; the server decides all the same. */
export const may = (me: Me | undefined, ...scopes: string[]) =>
  me?.scopes.some(scope => scope === "admin" || scopes.includes(scope)) ?? false
