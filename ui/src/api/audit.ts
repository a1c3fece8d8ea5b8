import { infiniteQueryOptions } from "@tanstack/react-query"
import { get, type Schemas } from "./client"

export type Deed = Schemas["Deed"]

export type JournalItem = Schemas["JournalItem"]

export const journalOptions = (by: string | undefined) =>
  infiniteQueryOptions({
    queryKey: ["journal", by],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/audit/journal", { query: { by, limit: 100, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
  })

export const auditOptions = (by: string | undefined, event: string | undefined) =>
  infiniteQueryOptions({
    queryKey: ["audit", by, event],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/audit", { query: { by, event, limit: 100, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
  })
