import { infiniteQueryOptions } from "@tanstack/react-query"
import { get, post, type Schemas } from "./client"

export const deadLettersOptions = (definition?: string) =>
  infiniteQueryOptions({
    queryKey: ["deadLetters", definition],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/deadletters", { query: { definition, limit: 200, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.nextCursor ?? undefined,
  })

export type Requeue = Partial<Schemas["Requeue"]>
export type Selection = Partial<Schemas["Selection"]>

export const requeue = (body: Requeue) => post("/api/v1/deadletters/requeue", { body })
export const discard = (body: Selection) => post("/api/v1/deadletters/discard", { body })
