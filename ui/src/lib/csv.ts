/** Rows as CSV (RFC 4180). What a spreadsheet would take for a formula is led by an apostrophe. */
export function csv(rows: Record<string, string>[]): string {
  const columns = [...new Set(rows.flatMap(Object.keys))]
  const lines = [columns, ...rows.map(row => columns.map(column => row[column] ?? ""))]
  return lines.map(cells => `${cells.map(cell).join(",")}\r\n`).join("")
}

function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
