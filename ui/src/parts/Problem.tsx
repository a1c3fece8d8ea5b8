import { ApiError } from "@/api/client"
import { common as t } from "@/texts/common"
import { Button } from "./Button"

/** What went wrong, and how to go on. The rest of the page stays. */
export function Problem({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  return (
    <div className="problem" role="alert">
      <div>
        <strong>{titleOf(error)}</strong>
        <p>{error.message}</p>
        {idOf(error) && <p className="quiet">{t.id(idOf(error) as string)}</p>}
      </div>
      {onRetry && <Button onClick={onRetry}>{t.again}</Button>}
    </div>
  )
}

function titleOf(error: Error): string {
  if (!(error instanceof ApiError)) return t.failed
  if (error.status === 403) return t.noScope
  if (error.status === 404) return t.notFound
  return error.status < 500 ? t.refused : t.failed
}

const idOf = (error: Error) =>
  error instanceof ApiError ? (error.details as { id?: string } | null | undefined)?.id : undefined
