import { expect, test } from "vitest"
import type { Task } from "@/api/tasks"
import { ANYTHING } from "@/live/intake"
import { changedAmong, freshAmong } from "./fresh"

const runs = (...ids: string[]) => ids.map(taskId => ({ taskId, status: "RUNNING" }) as Task)

test("runs are new when they were made after the newest that is shown", () => {
  expect(freshAmong(runs("1000", "999", "998"), "998")).toBe(2)
  expect(freshAmong(runs("999"), "999")).toBe(0)
})

test("that holds also where the newest that is shown fits the filter no more", () => {
  expect(freshAmong(runs("12", "11", "9", "8"), "10")).toBe(2)
})

test("where nothing is shown all are new", () => {
  expect(freshAmong(runs("2", "1"), undefined)).toBe(2)
})

test("of many rows those are asked for anew that can still change, and the first", () => {
  const shown = runs(...Array.from({ length: 300 }, (_, k) => String(1000 - k)))
  expect(changedAmong(shown, { taskIds: new Set(["900", "5"]), more: false }, () => true)).toEqual(["900"])
  expect(changedAmong(shown, ANYTHING, task => task.taskId === "750")).toHaveLength(101)
})
