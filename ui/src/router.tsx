import type { QueryClient } from "@tanstack/react-query"
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router"
import type { ComponentType } from "react"
import { root } from "@/api/client"
import { PAGE, taskOptions, tasksOptions } from "@/api/tasks"
import type { Search } from "@/lib/useSearchText"
import { Broken, Missing } from "@/shell/Broken"
import { Shell } from "@/shell/Shell"
import { ADDRESSES } from "./addresses"

const shell = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Shell,
  notFoundComponent: Missing,
  validateSearch: (given: Record<string, unknown>): Search => given as Search,
})

interface Visit {
  client: QueryClient
  search: Search
  params: Partial<Record<string, string>>
  abortController: AbortController
}

type Address = keyof typeof ADDRESSES

const CODE = import.meta.glob<Record<string, ComponentType>>("./pages/*/*Page.tsx")

/** Asks for what a page begins with while its code still comes. */
const ASKS: Partial<Record<Address, (visit: Visit) => unknown>> = {
  "/run": ({ client, search }) => search.q || client.prefetchInfiniteQuery(tasksOptions({ limit: PAGE })),
  "/run/$taskId": ({ client, params: { taskId = "" }, abortController }) => {
    void client.prefetchQuery(taskOptions(taskId))
    void import("@/live/followed").then(live => live.expectStory(taskId, abortController.signal))
  },
}

function page<Path extends Address>(path: Path) {
  const [folder, name] = ADDRESSES[path].split("/")
  const code = CODE[`./pages/${folder}/${name}.tsx`]
  if (!code) throw new Error(`there is no page for ${path}`)
  return createRoute({
    getParentRoute: () => shell,
    path,
    component: lazyRouteComponent(code, name),
    loader: ({ cause, context, location, params, abortController }) => {
      // A link that is merely pointed at costs the server nothing.
      if (cause === "enter")
        void ASKS[path]?.({ client: context.client, search: location.search, params, abortController })
    },
  })
}

type Pages = { [Path in Address]: ReturnType<typeof page<Path>> }

const tree = shell.addChildren((Object.keys(ADDRESSES) as Address[]).map(page) as unknown as Pages[Address][])

/** The addresses of the interface. What stands in a search is kept as text, so that an id stays what it is. */
export const makeRouter = (client: QueryClient) =>
  createRouter({
    routeTree: tree,
    context: { client },
    basepath: `${root}/admin`,
    defaultPreload: "intent",
    // What pages ask for, the client keeps; a loader runs whenever its page is gone to, and is aborted with the visit.
    defaultPreloadStaleTime: 0,
    defaultGcTime: 0,
    defaultErrorComponent: Broken,
    parseSearch: text => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: search => {
      const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== "")
      const text = new URLSearchParams(given as [string, string][]).toString()
      return text && `?${text}`
    },
  })

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
