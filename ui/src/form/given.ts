import type { Field, Raw } from "./field"

/** What every control is given: its state, and the ids that tie it to its label, its help and its faults. */
export interface ControlGiven {
  field: Field
  raw: Raw
  onRaw: (raw: Raw) => void
  attributes: {
    id: string
    "aria-describedby": string | undefined
    "aria-invalid": boolean
    "aria-required": boolean
    disabled: boolean
  }
}
