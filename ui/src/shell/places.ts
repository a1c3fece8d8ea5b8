import { type Me, may } from "@/api/operations"
import type { IconName } from "@/parts/Icon"

export type PageName =
  | "inbox"
  | "tasks"
  | "runs"
  | "overview"
  | "queues"
  | "deadLetters"
  | "errors"
  | "people"
  | "connections"
  | "audit"
  | "workers"
  | "schedules"
  | "events"
  | "webhooks"
  | "settings"

/** A page as the rail, the palette and the keyboard know it. */
export interface Place {
  name: PageName
  to: string
  icon: IconName
  group: "work" | "operate" | "connect"
  /** The letter that leads there after `g`. */
  key?: string
  /** One of these scopes is needed to see anything there. */
  scopes: string[]
}

const READ = ["tasks:read"]
const OPERATE = ["tasks:read", "queues:manage"]

export const PLACES: Place[] = [
  { name: "inbox", to: "/inbox", icon: "inbox", group: "work", key: "i", scopes: ["tasks:manual"] },
  {
    name: "tasks",
    to: "/task",
    icon: "bolt",
    group: "work",
    key: "t",
    scopes: ["tasks:read", "definitions:write"],
  },
  { name: "runs", to: "/run", icon: "list", group: "work", key: "r", scopes: ["tasks:read", "tasks:manual"] },
  { name: "overview", to: "/", icon: "home", group: "operate", key: "o", scopes: OPERATE },
  { name: "queues", to: "/queue", icon: "queue", group: "operate", key: "q", scopes: OPERATE },
  {
    name: "deadLetters",
    to: "/dead-letter",
    icon: "letter",
    group: "operate",
    key: "d",
    scopes: ["queues:manage"],
  },
  { name: "errors", to: "/error", icon: "warning", group: "operate", key: "f", scopes: OPERATE },
  { name: "workers", to: "/worker", icon: "server", group: "operate", key: "w", scopes: OPERATE },
  {
    name: "schedules",
    to: "/schedule",
    icon: "clock",
    group: "operate",
    scopes: ["tasks:read", "tasks:write"],
  },
  { name: "events", to: "/event", icon: "events", group: "connect", key: "e", scopes: READ },
  { name: "webhooks", to: "/webhook", icon: "hook", group: "connect", scopes: ["webhooks:manage"] },
  { name: "connections", to: "/connection", icon: "plug", group: "connect", scopes: ["connections:manage"] },
  { name: "people", to: "/people", icon: "people", group: "connect", scopes: READ },
  { name: "audit", to: "/audit", icon: "fingerprint", group: "connect", key: "a", scopes: READ },
]

/** The pages that show this caller something. */
export const placesFor = (me: Me | undefined) => PLACES.filter(place => may(me, ...place.scopes))
