import type { QueryClient } from "@tanstack/react-query"
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router"
import { root } from "@/api/client"
import { PAGE, taskOptions, tasksOptions } from "@/api/tasks"
import type { Search } from "@/lib/useSearchText"
import { Broken, Missing } from "@/shell/Broken"
import { Shell } from "@/shell/Shell"

const shell = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Shell,
  notFoundComponent: Missing,
  validateSearch: (given: Record<string, unknown>): Search => given as Search,
})

interface Visit {
  client: QueryClient
  search: Search
  params: Partial<Record<string, string>>
}

/** A page; `ask` asks for what it begins with while its code still comes. */
const page = <Path extends string>(
  path: Path,
  component: ReturnType<typeof lazyRouteComponent>,
  ask?: (visit: Visit) => unknown,
) =>
  createRoute({
    getParentRoute: () => shell,
    path,
    component,
    loader: ({ cause, context, location, params }) => {
      // A link that is merely pointed at costs the server nothing.
      if (cause === "enter") void ask?.({ client: context.client, search: location.search, params })
    },
  })

const tree = shell.addChildren([
  page(
    "/",
    lazyRouteComponent(() => import("@/pages/overview/OverviewPage"), "OverviewPage"),
  ),
  page(
    "/task",
    lazyRouteComponent(() => import("@/pages/tasks/TasksPage"), "TasksPage"),
  ),
  page(
    "/task/$key",
    lazyRouteComponent(() => import("@/pages/task/TaskPage"), "TaskPage"),
  ),
  page(
    "/run",
    lazyRouteComponent(() => import("@/pages/runs/RunsPage"), "RunsPage"),
    ({ client, search }) => search.q || client.prefetchInfiniteQuery(tasksOptions({ limit: PAGE })),
  ),
  page(
    "/run/$taskId",
    lazyRouteComponent(() => import("@/pages/run/RunPage"), "RunPage"),
    ({ client, params }) => client.prefetchQuery(taskOptions(params.taskId ?? "")),
  ),
  page(
    "/inbox",
    lazyRouteComponent(() => import("@/pages/inbox/InboxPage"), "InboxPage"),
  ),
  page(
    "/inbox/$taskId",
    lazyRouteComponent(() => import("@/pages/inbox/InboxPage"), "InboxPage"),
  ),
  page(
    "/queue",
    lazyRouteComponent(() => import("@/pages/queues/QueuesPage"), "QueuesPage"),
  ),
  page(
    "/dead-letter",
    lazyRouteComponent(() => import("@/pages/deadLetters/DeadLettersPage"), "DeadLettersPage"),
  ),
  page(
    "/error",
    lazyRouteComponent(() => import("@/pages/errors/ErrorsPage"), "ErrorsPage"),
  ),
  page(
    "/audit",
    lazyRouteComponent(() => import("@/pages/audit/AuditPage"), "AuditPage"),
  ),
  page(
    "/connection",
    lazyRouteComponent(() => import("@/pages/connections/ConnectionsPage"), "ConnectionsPage"),
  ),
  page(
    "/people",
    lazyRouteComponent(() => import("@/pages/people/PeoplePage"), "PeoplePage"),
  ),
  page(
    "/worker",
    lazyRouteComponent(() => import("@/pages/workers/WorkersPage"), "WorkersPage"),
  ),
  page(
    "/schedule",
    lazyRouteComponent(() => import("@/pages/schedules/SchedulesPage"), "SchedulesPage"),
  ),
  page(
    "/event",
    lazyRouteComponent(() => import("@/pages/events/EventsPage"), "EventsPage"),
  ),
  page(
    "/webhook",
    lazyRouteComponent(() => import("@/pages/webhooks/WebhooksPage"), "WebhooksPage"),
  ),
  page(
    "/settings",
    lazyRouteComponent(() => import("@/pages/settings/SettingsPage"), "SettingsPage"),
  ),
])

/** The addresses of the interface. What stands in a search is kept as text, so that an id stays what it is. */
export const makeRouter = (client: QueryClient) =>
  createRouter({
    routeTree: tree,
    context: { client },
    basepath: `${root}/admin`,
    defaultPreload: "intent",
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
