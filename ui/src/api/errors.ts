import { queryOptions } from "@tanstack/react-query"
import { get, type Schemas } from "./client"

export type ErrorGroup = Schemas["ErrorGroup"]

interface ErrorQuery {
  hours?: number
  definition?: string | undefined
  dead?: boolean
}

export const errorsOptions = (query: ErrorQuery) =>
  queryOptions({
    queryKey: ["errors", query],
    queryFn: ({ signal }) => get("/api/v1/errors", { query, signal }),
  })
