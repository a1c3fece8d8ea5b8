import type { CSSProperties, ReactNode } from "react"
import type { Field, Layout } from "./field"

interface SectionGiven {
  title: string
  description: string
  columns: number
  fields: Field[]
}

/** Some fields under a heading, in columns. */
export function Section({ section, children }: { section: SectionGiven; children: ReactNode }) {
  const { title, description, columns } = section
  const grid = (
    <div className="form-grid" style={{ "--columns": columns } as CSSProperties}>
      {children}
    </div>
  )
  if (!title) return grid
  return (
    <fieldset className="section">
      <legend>{title}</legend>
      {description && <p className="quiet">{description}</p>}
      {grid}
    </fieldset>
  )
}

/** The shown fields by the sections of the layout; those that are in none come first. */
export function sectionsOf(shown: Field[], layout: Layout | undefined): SectionGiven[] {
  const columns = layout?.columns ?? 1
  const named = (layout?.sections ?? []).filter(section => section.title)
  const placed = new Set(named.flatMap(section => section.fields))
  const rest = { title: "", description: "", columns, fields: shown.filter(field => !placed.has(field.key)) }
  const sections = named.map(section => ({
    ...section,
    columns: section.columns ?? columns,
    fields: shown.filter(field => section.fields.includes(field.key)),
  }))
  return [rest, ...sections].filter(section => section.fields.length > 0)
}
