import { post, type Schemas } from "./client"

export type Requeue = Partial<Schemas["Requeue"]>
export type Selection = Partial<Schemas["Selection"]>

export const requeue = (body: Requeue) => post("/api/v1/deadletters/requeue", { body })
export const discard = (body: Selection) => post("/api/v1/deadletters/discard", { body })
