import { get } from "./client"

export const readFeed = (after: string, limit: number, signal?: AbortSignal) =>
  get("/api/v1/events", { query: { after: Number(after), limit }, signal })
