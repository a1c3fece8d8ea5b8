import { queryOptions } from "@tanstack/react-query"
import { get, type Schemas } from "./client"

export type Definition = Schemas["DefinitionVersion"]

export const definitionsOptions = queryOptions({
  queryKey: ["definitions"],
  queryFn: async ({ signal }) => {
    const items: Definition[] = []
    let cursor: string | undefined
    do {
      const page = await get("/api/v1/definitions", { query: { limit: 200, cursor }, signal })
      items.push(...page.items)
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    return items
  },
  staleTime: 30_000,
})

export const definitionOptions = (key: string) =>
  queryOptions({
    queryKey: ["definition", key],
    queryFn: ({ signal }) => get("/api/v1/definitions/{key}", { path: { key }, signal }),
    staleTime: 30_000,
  })

export const formOptions = (key: string) =>
  queryOptions({
    queryKey: ["definition", key, "form"],
    queryFn: ({ signal }) => get("/api/v1/definitions/{key}/form", { path: { key }, signal }),
    staleTime: 30_000,
  })
