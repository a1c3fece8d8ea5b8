import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { Paced } from "./paced"

const view = { hidden: false }

let told: boolean[]
let paced: Paced

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal("document", view)
  vi.stubGlobal("requestAnimationFrame", (frame: () => void) => setTimeout(frame, 16))
  vi.stubGlobal("cancelAnimationFrame", clearTimeout)
  view.hidden = false
  told = []
  paced = new Paced(isFlood => told.push(isFlood))
})

afterEach(() => vi.useRealTimers())

test("of what comes within a frame is told once", () => {
  paced.add(2)
  paced.add(0)
  expect(told).toEqual([])
  vi.advanceTimersByTime(17)
  expect(told).toEqual([false])
  paced.add(0)
  vi.advanceTimersByTime(17)
  expect(told).toEqual([false, false])
})

test("of a flood five times a second something is seen, and its end is told", () => {
  for (let k = 0; k < 80; k++) {
    paced.add(500 * (k + 1))
    vi.advanceTimersByTime(10)
  }
  vi.advanceTimersByTime(1_000)
  expect(told.length).toBeGreaterThan(3)
  expect(told.length).toBeLessThan(8)
  expect(told.indexOf(false)).toBe(told.length - 1)
})

test("a page in the background waits for no frame", () => {
  view.hidden = true
  paced.add(1)
  expect(told).toEqual([false])
})

test("who has stopped is told nothing", () => {
  paced.add(600)
  paced.stop()
  vi.advanceTimersByTime(1_000)
  expect(told).toEqual([])
})
