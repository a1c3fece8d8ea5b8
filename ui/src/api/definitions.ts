import { queryOptions } from "@tanstack/react-query"
import { get, type Schemas } from "./client"
import { everyPage } from "./pages"

export type Definition = Schemas["DefinitionVersion"]

export const definitionsOptions = queryOptions({
  queryKey: ["definitions"],
  queryFn: async ({ signal }) =>
    (await everyPage(cursor => get("/api/v1/definitions", { query: { limit: 200, cursor }, signal }))).items,
  staleTime: 30_000,
})

export const definitionOptions = (key: string) =>
  queryOptions({
    queryKey: ["definition", key],
    queryFn: ({ signal }) => get("/api/v1/definitions/{key}", { path: { key }, signal }),
    staleTime: 30_000,
  })

/** The version with this name, as it was when it was current. */
export const definitionVersionOptions = (key: string, version: string) =>
  queryOptions({
    queryKey: ["definition", key, "version", version],
    queryFn: async ({ signal }) => {
      const page = await everyPage(cursor =>
        get("/api/v1/definitions/{key}/versions", { path: { key }, query: { limit: 200, cursor }, signal }),
      )
      return page.items.find(each => each.version === version) ?? null
    },
    staleTime: Number.POSITIVE_INFINITY,
  })

export const formOptions = (key: string) =>
  queryOptions({
    queryKey: ["definition", key, "form"],
    queryFn: ({ signal }) => get("/api/v1/definitions/{key}/form", { path: { key }, signal }),
    staleTime: 30_000,
  })
