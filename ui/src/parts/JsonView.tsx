import { isObject, stringifyJson, tableOf } from "@/lib/json"
import { json as t } from "@/texts/json"
import { Ledger } from "./Ledger"

const OPEN_DEPTH = 2
const MOST_ITEMS = 200

/** Any JSON value as a tree that opens. Everything in it is text. */
export function JsonTree({ value, name, depth = 0 }: { value: unknown; name?: string; depth?: number }) {
  const entries = Array.isArray(value)
    ? value.map((each, k) => [String(k), each] as const)
    : isObject(value)
      ? Object.entries(value)
      : null
  const label = name !== undefined && <span className="json-key">{name}: </span>
  if (entries === null || entries.length === 0) {
    return (
      <div className="json-leaf">
        {label}
        <span className={`json-${value === null ? "null" : typeof value}`}>{stringifyJson(value)}</span>
      </div>
    )
  }
  return (
    <details className="json-node" open={depth < OPEN_DEPTH}>
      <summary>
        {label}
        <span className="quiet">
          {Array.isArray(value) ? t.items(entries.length) : t.fields(entries.length)}
        </span>
      </summary>
      {entries.slice(0, MOST_ITEMS).map(([key, each]) => (
        <JsonTree key={key} name={key} value={each} depth={depth + 1} />
      ))}
      {entries.length > MOST_ITEMS && <p className="quiet">{t.more(entries.length - MOST_ITEMS)}</p>}
    </details>
  )
}

/** A list of objects as a table; nothing for what makes none. */
export function JsonTable({ value }: { value: unknown }) {
  const table = tableOf(value)
  if (!table) return <p className="quiet padded">{t.noTable}</p>
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reachable by keyboard
    <section className="scrolls" aria-label={t.table} tabIndex={0}>
      <Ledger flat heads={table.columns}>
        {table.rows.slice(0, MOST_ITEMS).map((row, k) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a result's rows never move
          <tr key={k}>
            {table.columns.map(column => (
              <td key={column}>{cell(row[column])}</td>
            ))}
          </tr>
        ))}
      </Ledger>
      {table.rows.length > MOST_ITEMS && (
        <p className="quiet padded">{t.more(table.rows.length - MOST_ITEMS)}</p>
      )}
    </section>
  )
}

export function JsonRaw({ value }: { value: unknown }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reachable by keyboard
    <pre className="raw" tabIndex={0}>
      {stringifyJson(value, 2)}
    </pre>
  )
}

function cell(value: unknown): string {
  if (value === undefined) return ""
  return typeof value === "string" ? value : stringifyJson(value)
}
