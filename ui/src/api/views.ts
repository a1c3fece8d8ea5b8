import { queryOptions } from "@tanstack/react-query"
import { get, post, remove, type Schemas } from "./client"
import { everyPage } from "./pages"

export type View = Schemas["ViewAnswer"]

export const viewsOptions = queryOptions({
  queryKey: ["views"],
  queryFn: async ({ signal }) => {
    const views = await everyPage(cursor => get("/api/v1/views", { query: { limit: 200, cursor }, signal }))
    return views.items.sort((one, other) => one.name.localeCompare(other.name))
  },
})

export const saveView = (body: Schemas["ViewBody"]) => post("/api/v1/views", { body })
export const removeView = (viewId: string) => remove("/api/v1/views/{viewId}", { path: { viewId } })
