import { queryOptions } from "@tanstack/react-query"
import { get, post, put, remove, type Schemas } from "./client"
import { every, everyPage } from "./pages"

export type Connection = Schemas["ConnectionState"]
export type ConnectionBody = Schemas["ConnectionBody"]
export type ConnectionType = Schemas["ConnectionTypeState"]

export const connectionTypesOptions = queryOptions({
  queryKey: ["connection types"],
  queryFn: ({ signal }) => get("/api/v1/connection-types", { signal }),
  staleTime: Number.POSITIVE_INFINITY,
})

export const putConnection = (connectionId: string, body: Partial<ConnectionBody>) =>
  put("/api/v1/connections/{connectionId}", { path: { connectionId }, body })

export const removeConnection = (connectionId: string) =>
  remove("/api/v1/connections/{connectionId}", { path: { connectionId } })

export const connectionsOptions = queryOptions({
  queryKey: ["connections"],
  queryFn: ({ signal }) =>
    everyPage(cursor => get("/api/v1/connections", { query: { limit: 200, cursor }, signal })),
  refetchInterval: every(5_000),
})

export const testConnection = (connectionId: string) =>
  post("/api/v1/connections/{connectionId}/test", { path: { connectionId } })
