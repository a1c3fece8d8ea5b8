import { expect, test } from "vitest"
import type { Attempt, Task } from "@/api/tasks"
import { lifeOf } from "./life"

const at = (second: number) => new Date(second * 1000).toISOString()
const task = (facts: Partial<Task>) => ({ createdAt: at(0), attempt: 1, ...facts }) as Task
const ended = (attempt: number, from: number, until: number, outcome: string) =>
  ({
    attempt,
    outcome,
    startTime: at(from),
    endTime: at(until),
    executionTime: (until - from) * 1000,
  }) as Attempt

test("a run that waited, failed, paused and is running", () => {
  const running = task({ status: "RUNNING", attempt: 2, startTime: at(6) })
  expect(lifeOf(running, [ended(1, 1, 4, "RETRY")], 10_000)).toEqual([
    { kind: "wait", ms: 1000, attempt: 1, state: "queued" },
    { kind: "attempt", ms: 3000, attempt: 1, state: "retrying" },
    { kind: "pause", ms: 2000, attempt: 2, state: "queued" },
    { kind: "attempt", ms: 4000, attempt: 2, state: "running" },
  ])
})

test("the last attempt of a dead letter is the one that killed it", () => {
  const dead = task({ status: "FAILED", deadLetteredAt: at(2) })
  expect(lifeOf(dead, [ended(1, 0, 2, "FAILED")], 9_000)).toEqual([
    { kind: "attempt", ms: 2000, attempt: 1, state: "dead" },
  ])
})

test("one that has never run has only waited", () => {
  expect(lifeOf(task({ status: "PENDING", attempt: 0 }), [], 5_000)).toEqual([
    { kind: "wait", ms: 5000, attempt: 1, state: "queued" },
  ])
})
