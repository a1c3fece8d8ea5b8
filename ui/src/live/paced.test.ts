import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { Paced } from "./paced"

const view = { hidden: false }
const items = (count: number) => Array.from({ length: count }, (_, k) => k)

let handed: [number, boolean][]
let paced: Paced<number>

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal("document", view)
  vi.stubGlobal("requestAnimationFrame", (frame: () => void) => setTimeout(frame, 16))
  vi.stubGlobal("cancelAnimationFrame", clearTimeout)
  view.hidden = false
  handed = []
  paced = new Paced((some, isFlood) => handed.push([some.length, isFlood]))
})

afterEach(() => vi.useRealTimers())

test("what comes within a frame is handed on together", () => {
  paced.add(items(2))
  paced.add(items(3))
  expect(handed).toEqual([])
  vi.advanceTimersByTime(17)
  paced.add(items(1))
  vi.advanceTimersByTime(17)
  expect(handed).toEqual([
    [5, false],
    [1, false],
  ])
})

test("of a flood ten times a second something is seen, and its end is told", () => {
  for (let k = 0; k < 40; k++) {
    paced.add(items(500))
    vi.advanceTimersByTime(10)
  }
  vi.advanceTimersByTime(1_000)
  expect(handed.length).toBeLessThan(8)
  expect(handed.reduce((sum, [count]) => sum + count, 0)).toBe(20_000)
  expect(handed.map(each => each[1]).indexOf(false)).toBe(handed.length - 1)
})

test("a page in the background waits for no frame", () => {
  view.hidden = true
  paced.add(items(1))
  expect(handed).toEqual([[1, false]])
})

test("who has stopped is handed nothing", () => {
  paced.add(items(600))
  paced.stop()
  vi.advanceTimersByTime(1_000)
  expect(handed).toEqual([])
})
