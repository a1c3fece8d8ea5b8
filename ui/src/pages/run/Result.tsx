import { useState } from "react"
import { type ExportFormat, outputAddress, type Task } from "@/api/tasks"
import { tableOf } from "@/lib/json"
import { isFinal } from "@/lib/state"
import { Chip } from "@/parts/Button"
import { JsonRaw, JsonTable, JsonTree } from "@/parts/JsonView"
import { run as t } from "@/texts/run"

const VIEWS = { tree: JsonTree, table: JsonTable, raw: JsonRaw }
type View = keyof typeof VIEWS
const FORMATS: ExportFormat[] = ["json", "csv", "xml", "yaml"]

/** What the run gave: as a tree, a table or raw, and to take away. */
export default function Result({ task }: { task: Task }) {
  const isList = Array.isArray(task.output) && tableOf(task.output) !== null
  const [view, setView] = useState<View>(isList ? "table" : "tree")
  const Shown = VIEWS[view]
  if (task.status !== "COMPLETED")
    return <p className="quiet padded">{isFinal(task.status) ? t.noResultEver : t.noResult}</p>
  return (
    <>
      <div className="sheet-head">
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would be framed */}
        <div className="chips" role="group" aria-label={t.view}>
          {(Object.keys(VIEWS) as View[]).map(each => (
            <Chip key={each} isOn={each === view} onClick={() => setView(each)}>
              {t.views[each]}
            </Chip>
          ))}
        </div>
        <span className="spring" />
        <span className="quiet">{t.export}</span>
        {FORMATS.map(format => (
          <a
            key={format}
            className="button"
            href={outputAddress(task.taskId, format)}
            download={`${task.taskId}.${format}`}
          >
            {format.toUpperCase()}
          </a>
        ))}
      </div>
      {task.warnings.length > 0 && (
        <details className="padded">
          <summary>{t.warnings(task.warnings.length)}</summary>
          <JsonTable value={task.warnings} />
        </details>
      )}
      <div className={view === "tree" ? "padded" : undefined}>
        <Shown value={task.output} />
      </div>
    </>
  )
}
