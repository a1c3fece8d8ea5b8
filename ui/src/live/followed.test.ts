import { beforeEach, expect, test, vi } from "vitest"

class FakeSocket {
  isOpen = true
  onclose: ((event: { code: number }) => void) | null = null
  constructor(readonly address: string) {
    sockets.push(this)
  }
  close() {
    this.isOpen = false
  }
}

let sockets: FakeSocket[]

vi.stubGlobal("document", { documentElement: { dataset: {} } })
vi.stubGlobal("location", { origin: "http://here" })
vi.stubGlobal("cancelAnimationFrame", () => undefined)
vi.stubGlobal("WebSocket", FakeSocket)
const { expectStory, look, storyOf } = await import("./followed")

beforeEach(() => {
  sockets = []
})

const open = () => sockets.filter(socket => socket.isOpen).map(socket => /\d+/.exec(socket.address)?.[0])

test("a page goes on with what was opened for it, and has it for as long as it looks", () => {
  const visit = new AbortController()
  expectStory("7", visit.signal)
  const leave = look(storyOf("7"))
  visit.abort()
  expect([sockets.length, open()]).toEqual([1, ["7"]])
  leave()
  expect(open()).toEqual([])
})

test("a visit that is given up before its page has come leaves nothing open", () => {
  const visit = new AbortController()
  expectStory("7", visit.signal)
  const given = storyOf("7")
  visit.abort()
  expect([open(), storyOf("7") === given]).toEqual([[], false])
  expectStory("7", visit.signal)
  expect(sockets).toHaveLength(1)
})

test("of two pages that are asked for in a row only the last is waited for", () => {
  const [first, second] = [new AbortController(), new AbortController()]
  expectStory("7", first.signal)
  expectStory("8", second.signal)
  first.abort()
  expect(open()).toEqual(["8"])
  second.abort()
  expect(open()).toEqual([])
})

test("a page that was there before it was waited for is followed once", () => {
  const leave = look(storyOf("7"))
  const visit = new AbortController()
  expectStory("7", visit.signal)
  expect(open()).toEqual(["7"])
  leave()
  expectStory("7", visit.signal)
  expect(open()).toEqual(["7"])
  visit.abort()
  expect(open()).toEqual([])
})

test("what one page looks at is no other's", () => {
  expectStory("7", new AbortController().signal)
  const story = storyOf("7")
  const leave = look(story)
  expect(storyOf("7") === story).toBe(false)
  expectStory("8", new AbortController().signal)
  expect(open()).toEqual(["7", "8"])
  leave()
})
