import { queryOptions } from "@tanstack/react-query"
import { get, type Schemas } from "./client"
import { every } from "./pages"

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
    // Where looking takes long the server tells what it found lately, which may be before the last change.
    refetchInterval: every(10_000),
  })
