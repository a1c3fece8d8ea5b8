import { expect, test } from "vitest"
import type { Definition } from "@/api/definitions"
import { grouped, search } from "./search"

const of = (key: string, more: Partial<Definition> = {}) =>
  ({
    key,
    title: "",
    description: "",
    category: "",
    tags: [],
    danger: "",
    expense: "",
    taskType: "AUTOMATED",
    ...more,
  }) as unknown as Definition

const ALL = [
  of("purge", { title: "Purge sessions", category: "maintenance", danger: "Deletes", tags: ["cleanup"] }),
  of("import", { description: "Reads customers", category: "data" }),
  of("approve", { taskType: "MANUAL" } as Partial<Definition>),
  of("zeta", { category: "zoo" }),
]
const ANY = { q: "", category: "", tag: "", flag: "" }
const keys = (found: Definition[]) => found.map(each => each.key)

test("all words have to be somewhere in key, title, text or tags", () => {
  expect(keys(search(ALL, { ...ANY, q: "customers READS" }))).toEqual(["import"])
  expect(keys(search(ALL, { ...ANY, q: "cleanup" }))).toEqual(["purge"])
  expect(search(ALL, { ...ANY, q: "purge customers" })).toEqual([])
})

test("category, tag and flag narrow it", () => {
  expect(keys(search(ALL, { ...ANY, category: "data" }))).toEqual(["import"])
  expect(keys(search(ALL, { ...ANY, category: "other" }))).toEqual(["approve"])
  expect(keys(search(ALL, { ...ANY, flag: "danger" }))).toEqual(["purge"])
  expect(keys(search(ALL, { ...ANY, flag: "MANUAL" }))).toEqual(["approve"])
})

test("known categories come first, none at the end", () => {
  expect(grouped(ALL).map(([category]) => category)).toEqual(["maintenance", "data", "zoo", ""])
})
