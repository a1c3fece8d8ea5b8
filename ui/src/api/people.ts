import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query"
import { get, put, remove, type Schemas } from "./client"

type Told = Partial<Schemas["Person"]> & { id: string }
export type Person = ReturnType<typeof personOf>
export type PersonBody = Partial<Schemas["PersonBody"]>

/** A person with what the server leaves out because it is as it is by default. */
const personOf = ({
  id,
  name = "",
  email = "",
  groups = [],
  skills = [],
  maxOpen = null,
  away = false,
}: Told) => ({
  id,
  name,
  email,
  groups,
  skills,
  maxOpen,
  away,
})

export const peopleOptions = infiniteQueryOptions({
  queryKey: ["people"],
  queryFn: async ({ pageParam, signal }) => {
    const page = await get("/api/v1/users", { query: { limit: 100, cursor: pageParam }, signal })
    return { ...page, items: page.items.map(personOf) }
  },
  initialPageParam: undefined as string | undefined,
  getNextPageParam: page => page.nextCursor ?? undefined,
})

/** Somebody with what they may do by their password. */
export const personOptions = (userId: string) =>
  queryOptions({
    queryKey: ["people", "person", userId],
    queryFn: ({ signal }) => get("/api/v1/users/{userId}", { path: { userId }, signal }),
  })

export const groupOptions = (groupId: string) =>
  queryOptions({
    queryKey: ["people", "group", groupId],
    queryFn: async ({ signal }) => {
      const group = await get("/api/v1/groups/{groupId}", { path: { groupId }, signal })
      return { ...group, members: group.members.map(personOf) }
    },
  })

export const putPerson = (userId: string, body: PersonBody) =>
  put("/api/v1/users/{userId}", { path: { userId }, body })
export const removePerson = (userId: string) => remove("/api/v1/users/{userId}", { path: { userId } })
export const putPassword = (userId: string, body: Schemas["Password"]) =>
  put("/api/v1/users/{userId}/password", { path: { userId }, body })
