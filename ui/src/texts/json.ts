import { counted } from "@/lib/number"

export const json = {
  items: (count: number) => `${count} ${count === 1 ? "item" : "items"}`,
  fields: (count: number) => `${count} ${count === 1 ? "field" : "fields"}`,
  more: (count: number) => `${counted(count)} more are in the export`,
  noTable: "This is no list of records, so there is no table of it.",
  table: "Table",
}
