import { Link } from "@tanstack/react-router"
import { Button } from "@/parts/Button"
import { Page } from "@/parts/Page"
import { Problem } from "@/parts/Problem"
import { common } from "@/texts/common"
import { pages, shell as t } from "@/texts/shell"

/** Where a page fails: by itself, or because the server has newer ones. */
export function Broken({ error: thrown }: { error: unknown }) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const isStale = /dynamically imported module|Importing a module/.test(error.message)
  return (
    <Page title={t.broken}>
      {isStale ? <p>{common.stale}</p> : <Problem error={error} />}
      <Button onClick={() => location.reload()}>{common.reload}</Button>
    </Page>
  )
}

export function Missing() {
  return (
    <Page title={t.missing}>
      <p>{t.missingHelp}</p>
      <p>
        <Link to="/run">{pages.runs}</Link>
      </p>
    </Page>
  )
}
