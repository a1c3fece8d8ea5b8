import { form as t } from "@/texts/form"
import { type Field, leaves } from "./field"
import type { Fault } from "./value"

interface SummaryGiven {
  ref: React.RefObject<HTMLDivElement | null>
  faults: Fault[]
  fields: Field[]
  id: string
}

/** What is to be mended, each leading to its field. */
export function Summary({ ref, faults, fields, id }: SummaryGiven) {
  const labels = new Map(leaves(fields).map(([pointer, field]) => [pointer, field.label]))
  return (
    <div ref={ref} className="note danger" role="alert" tabIndex={-1}>
      <strong>{t.summary(faults.length)}</strong>
      <ul>
        {faults.map(fault => (
          <li key={fault.path + fault.message}>
            {labels.has(fault.path) ? (
              <a href={`#${id}${fault.path}`}>{labels.get(fault.path)}</a>
            ) : (
              fault.path
            )}
            : {fault.message}
          </li>
        ))}
      </ul>
    </div>
  )
}
