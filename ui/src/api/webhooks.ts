import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query"
import { get, patch, post, remove, type Schemas } from "./client"
import { every, everyPage } from "./pages"

export type Subscription = Schemas["Subscription"]
export type Delivery = Schemas["Delivery"]
export type DeliveryStatus = Delivery["status"]

export const subscriptionsOptions = queryOptions({
  queryKey: ["subscriptions"],
  queryFn: ({ signal }) =>
    everyPage(cursor => get("/api/v1/subscriptions", { query: { limit: 200, cursor }, signal })),
  refetchInterval: every(10_000),
})

const NO_CHOICE: Schemas["DeliveryChoice"] = {
  subscriptionId: null,
  status: null,
  taskId: null,
  event: null,
  createdAfter: null,
  createdBefore: null,
}

export interface DeliveryChoice {
  subscriptionId?: string | undefined
  taskId?: string | undefined
  status?: DeliveryStatus[] | undefined
}

export const deliveriesOptions = (choice: DeliveryChoice) =>
  infiniteQueryOptions({
    queryKey: ["deliveries", choice],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/deliveries", { query: { ...choice, limit: 50, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
    refetchInterval: every(5_000),
  })

export const deliveryOptions = (deliveryId: string) =>
  queryOptions({
    queryKey: ["delivery", deliveryId],
    queryFn: ({ signal }) => get("/api/v1/deliveries/{deliveryId}", { path: { deliveryId }, signal }),
  })

export const redeliver = (deliveryId: string) =>
  post("/api/v1/deliveries/{deliveryId}/redeliver", { path: { deliveryId } })
export const redeliverAll = (filter: DeliveryChoice) =>
  post("/api/v1/deliveries/redeliver", { body: { filter: { ...NO_CHOICE, ...filter } } })
export const sendTest = (subscriptionId: string) =>
  post("/api/v1/subscriptions/{subscriptionId}/test", { path: { subscriptionId } })
export const enable = (subscriptionId: string, enabled: boolean) =>
  patch("/api/v1/subscriptions/{subscriptionId}", { path: { subscriptionId }, body: { enabled } })
export const rotate = (subscriptionId: string, overlap: number) =>
  post("/api/v1/subscriptions/{subscriptionId}/rotate", { path: { subscriptionId }, body: { overlap } })
export const unsubscribe = (subscriptionId: string) =>
  remove("/api/v1/subscriptions/{subscriptionId}", { path: { subscriptionId } })
export const subscribe = (body: Partial<Schemas["Endpoint"]>) => post("/api/v1/subscriptions", { body })
