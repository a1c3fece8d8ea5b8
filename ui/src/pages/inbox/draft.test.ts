import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { Draft } from "./draft"

/** What the server was asked, in order, and how its answers to drafts are given. */
let asked: unknown[]
let answers: ((error?: Error) => void)[]
let draft: Draft

beforeEach(() => {
  vi.useFakeTimers()
  ;[asked, answers] = [[], []]
  draft = new Draft(value => {
    asked.push(value)
    return new Promise<void>((resolve, reject) => answers.push(error => (error ? reject(error) : resolve())))
  })
})

afterEach(() => vi.useRealTimers())

const rest = () => vi.advanceTimersByTimeAsync(10_000)
const complete = async () => void asked.push("complete")
const refused = async () => {
  throw new Error("a reason is missing")
}

test("it is kept a moment after the last change, and once", async () => {
  draft.later("a")
  await vi.advanceTimersByTimeAsync(1_000)
  draft.later("ab")
  await rest()
  answers[0]?.()
  await rest()
  expect(asked).toEqual(["ab"])
})

test("work ends after the draft that is on its way has come", async () => {
  draft.later("ab")
  await rest()
  const ended = draft.end(complete)
  await rest()
  expect(asked).toEqual(["ab"])
  answers[0]?.()
  await ended
  expect(asked).toEqual(["ab", "complete"])
})

test("a draft that is refused on its way keeps no work from ending, and is not sent again", async () => {
  draft.later("ab")
  await rest()
  const ended = draft.end(complete)
  answers[0]?.(new Error("too large"))
  await ended
  await draft.now()
  await rest()
  expect(asked).toEqual(["ab", "complete"])
})

test("what changes while the work ends is not kept", async () => {
  const ended = draft.end(async () => {
    draft.later("abc")
    await draft.now()
    await rest()
    await complete()
  })
  await ended
  await rest()
  expect(asked).toEqual(["complete"])
})

test("where the work cannot end it is kept", async () => {
  draft.later("ab")
  await expect(draft.end(refused)).rejects.toThrow("a reason is missing")
  expect(asked).toEqual([])
  await rest()
  expect(asked).toEqual(["ab"])
})

test("what could not be kept is kept the next time", async () => {
  draft.later("ab")
  const first = draft.now()
  answers[0]?.(new Error("no connection"))
  await expect(first).rejects.toThrow("no connection")
  void draft.now()
  expect(asked).toEqual(["ab", "ab"])
})

test("what is not theirs to keep now is kept once it is", async () => {
  let may = false
  draft = new Draft(value => (may ? Promise.resolve(asked.push(value)) : undefined))
  draft.later("ab")
  await draft.now()
  may = true
  await draft.now()
  expect(asked).toEqual(["ab"])
})
