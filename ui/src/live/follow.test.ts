import { afterEach, beforeEach, expect, test, vi } from "vitest"

vi.stubGlobal("document", { documentElement: { dataset: {} } })
vi.stubGlobal("location", { origin: "http://here" })
const { follow } = await import("./follow")
const { ApiError } = await import("@/api/client")

import type { Link, World } from "./follow"
import type { Message } from "./messages"

/** A socket that does what the test says. */
class FakeSocket {
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  closed = false
  constructor(readonly address: string) {}
  close() {
    this.closed = true
  }
  say(...sequences: number[]) {
    this.tell(
      ...sequences.map(sequence => ({ type: "log" as const, sequence, at: "", level: "info", text: "" })),
    )
  }
  tell(...messages: Message[]) {
    this.onmessage?.({ data: JSON.stringify(messages) })
  }
}

let sockets: FakeSocket[]
let polls: { after: number; answer: (messages: Message[]) => void; refuse: (error: Error) => void }[]
let links: Link[]
let told: number[]
let stop: () => void

beforeEach(() => {
  vi.useFakeTimers()
  ;[sockets, polls, links, told] = [[], [], [], []]
  const world: World = {
    open: address => {
      const socket = new FakeSocket(address)
      sockets.push(socket)
      return socket as unknown as WebSocket
    },
    poll: (_, after) => new Promise((answer, refuse) => polls.push({ after, answer, refuse })),
    later: (callback, delay) => {
      const timer = setTimeout(callback, delay)
      return () => clearTimeout(timer)
    },
    chance: () => 0.5,
  }
  const onMessages = (messages: Message[]) => void told.push(...messages.map(each => each.sequence))
  stop = follow("7", { onMessages, onLink: link => links.push(link) }, 0, world)
})

afterEach(() => vi.useRealTimers())

const latest = () => sockets.at(-1) as FakeSocket

test("a lost connection is taken up where it ended, and nothing is told twice", () => {
  latest().onopen?.()
  latest().say(1, 2)
  latest().onclose?.({ code: 1006 })
  vi.advanceTimersByTime(250)
  expect(latest().address).toBe("ws://here/ws/task/7?batch=true&after=2")
  latest().onopen?.()
  latest().say(2, 3)
  expect(told).toEqual([1, 2, 3])
  expect(links).toEqual(["live", "lost", "live"])
})

test("the end is the end", () => {
  latest().onopen?.()
  latest().tell({ type: "end", sequence: 0, at: "" })
  latest().onclose?.({ code: 1000 })
  vi.runAllTimers()
  expect([sockets.length, links.at(-1)]).toEqual([1, "complete"])
})

test("where sockets are refused it polls", async () => {
  latest().onclose?.({ code: 1006 })
  vi.advanceTimersByTime(250)
  latest().onclose?.({ code: 1006 })
  vi.advanceTimersByTime(500)
  expect(polls.map(poll => poll.after)).toEqual([0])
  polls[0]?.answer([{ type: "status", sequence: 5, at: "", status: "RUNNING" }])
  await vi.advanceTimersByTimeAsync(1)
  expect([polls.at(-1)?.after, links.at(-1)]).toEqual([5, "polling"])
})

test("waits grow, but not without end", () => {
  for (let k = 0; k < 12; k++) {
    latest().onopen?.()
    latest().onclose?.({ code: 1012 })
    vi.advanceTimersByTime(15_000)
  }
  expect(sockets).toHaveLength(13)
})

test("what is not theirs to see is not asked for again and again", async () => {
  for (const delay of [250, 500]) {
    latest().onclose?.({ code: 1006 })
    vi.advanceTimersByTime(delay)
  }
  polls[0]?.refuse(new ApiError(404, "NOT_FOUND", "there is no task 7", undefined))
  await vi.advanceTimersByTimeAsync(60_000)
  expect([polls.length, links.at(-1)]).toEqual([1, "lost"])
})

test("who has stopped asks no more", () => {
  stop()
  expect(latest().closed).toBe(true)
  latest().onclose?.({ code: 1006 })
  vi.runAllTimers()
  expect(sockets).toHaveLength(1)
})

test("a right that was taken away ends it, once a request has told so", async () => {
  latest().onopen?.()
  latest().onclose?.({ code: 1008 })
  polls[0]?.refuse(new ApiError(401, "UNAUTHORIZED", "the session has ended", undefined))
  await vi.advanceTimersByTimeAsync(60_000)
  expect([sockets.length, polls.length, links.at(-1)]).toEqual([1, 1, "lost"])
})
