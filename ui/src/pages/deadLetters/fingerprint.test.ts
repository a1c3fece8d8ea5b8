import { expect, test } from "vitest"
import type { Task } from "@/api/tasks"
import { groupByCause, normalised } from "./fingerprint"

const letter = (definition: string, code: string, message: string) =>
  ({
    taskId: message,
    taskDefinitionId: definition,
    title: definition,
    error: { code, message },
  }) as unknown as Task

test("numbers, ids and quoted words make no difference", () => {
  expect(normalised("timeout after 30.5 s for 'ada' (0f8fad5b-d9cb-469f-a165-70867728950e)")).toBe(
    "timeout after # s for … (#)",
  )
})

test("the largest group comes first, each with the newest message", () => {
  const groups = groupByCause([
    letter("a", "X", "port 1"),
    letter("b", "Y", "other"),
    letter("b", "Y", "line 7"),
    letter("b", "Y", "line 8"),
  ])
  expect(groups.map(group => [group.definition, group.message, group.tasks.length])).toEqual([
    ["b", "line 7", 2],
    ["a", "port 1", 1],
    ["b", "other", 1],
  ])
})
