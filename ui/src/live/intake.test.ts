import { expect, test } from "vitest"
import { ANYTHING, type Change, Intake } from "./intake"

const of = (...ids: string[]): Change => ({ taskIds: new Set(ids), more: false })
const settled = () => new Promise(resolve => setTimeout(resolve))

/** An intake whose work goes on until it is let go. */
function slow() {
  const seen: Change[] = []
  const ends: ((error?: Error) => void)[] = []
  const intake = new Intake(change => {
    seen.push(change)
    return new Promise<void>((resolve, reject) => ends.push(error => (error ? reject(error) : resolve())))
  })
  return { intake, seen, ends }
}

test("what comes while it works is gathered and handed on afterwards", async () => {
  const { intake, seen, ends } = slow()
  intake.add(of("1"))
  intake.add(of("2"))
  intake.add(of("3"))
  expect(seen).toEqual([of("1")])
  ends[0]?.()
  await settled()
  expect(seen).toEqual([of("1"), of("2", "3")])
})

test("what comes while it is held is handed on when it is let go", () => {
  const { intake, seen } = slow()
  intake.hold(true)
  intake.add(of("1"))
  intake.add(ANYTHING)
  expect(seen).toEqual([])
  intake.hold(false)
  expect(seen).toEqual([{ taskIds: new Set(["1"]), more: true }])
})

test("work that failed is taken up again with the next change", async () => {
  const { intake, seen, ends } = slow()
  intake.add(of("1"))
  ends[0]?.(new Error("no connection"))
  await settled()
  expect(seen).toHaveLength(1)
  intake.add(of("2"))
  expect(seen[1]).toEqual(of("1", "2"))
})

test("what was found before it was held is shown only as it is once it is let go", async () => {
  const answers: ((found: string) => void)[] = []
  const shown: string[] = []
  const intake = new Intake(async () => {
    const found = await new Promise<string>(resolve => answers.push(resolve))
    return () => shown.push(found)
  })
  intake.add(of("1"))
  intake.hold(true)
  answers[0]?.("old")
  await settled()
  expect([answers.length, shown]).toEqual([1, []])
  intake.hold(false)
  answers[1]?.("new")
  await settled()
  expect(shown).toEqual(["new"])
})
