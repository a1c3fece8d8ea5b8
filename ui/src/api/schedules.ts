import { queryOptions } from "@tanstack/react-query"
import { get, post, put, remove, type Schemas } from "./client"
import { every, everyPage } from "./pages"

export type Schedule = Schemas["ScheduleState"]

export const schedulesOptions = queryOptions({
  queryKey: ["schedules"],
  queryFn: ({ signal }) =>
    everyPage(cursor => get("/api/v1/schedules", { query: { limit: 200, cursor }, signal })),
  refetchInterval: every(10_000),
})

const about = (scheduleId: string) => ({ path: { scheduleId } })

export const pauseSchedule = (id: string) => post("/api/v1/schedules/{scheduleId}/pause", about(id))
export const resumeSchedule = (id: string) => post("/api/v1/schedules/{scheduleId}/resume", about(id))
export const runSchedule = (id: string) => post("/api/v1/schedules/{scheduleId}/run", about(id))
export const removeSchedule = (id: string) => remove("/api/v1/schedules/{scheduleId}", about(id))
export const putSchedule = (id: string, body: Partial<Schemas["Schedule"]>) =>
  put("/api/v1/schedules/{scheduleId}", { ...about(id), body })
