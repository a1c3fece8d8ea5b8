import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router"
import { root } from "@/api/client"
import { Broken, Missing } from "@/shell/Broken"
import { Shell } from "@/shell/Shell"

/** What an address may say after its question mark: texts by name, those that are not used left alone. */
export type Search = Partial<Record<string, string>>

const shell = createRootRoute({
  component: Shell,
  notFoundComponent: Missing,
  validateSearch: (given: Record<string, unknown>): Search => given as Search,
})

const page = <Path extends string>(path: Path, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => shell, path, component })

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
  ),
  page(
    "/run/$taskId",
    lazyRouteComponent(() => import("@/pages/run/RunPage"), "RunPage"),
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
export const makeRouter = () =>
  createRouter({
    routeTree: tree,
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
