import { type ReactNode, useState } from "react"
import { common } from "@/texts/common"
import { Button } from "./Button"
import { Dialog } from "./Dialog"
import { Problem } from "./Problem"

interface Given {
  title: string
  verb: string
  look?: "primary" | "danger"
  /** A word that has to be typed first. */
  typed?: string | undefined
  typedLabel?: string
  /** Whether it may be done yet. */
  isReady?: boolean
  onConfirm: () => Promise<unknown>
  onClose: () => void
  children?: ReactNode
}

/** Asks before something is done; stays open with the reason where it fails. */
export function Confirm({
  title,
  verb,
  look = "primary",
  typed,
  typedLabel,
  isReady = true,
  onConfirm,
  onClose,
  children,
}: Given) {
  const [word, setWord] = useState("")
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<Error | null>(null)
  const confirm = async () => {
    setBusy(true)
    try {
      await onConfirm()
      onClose()
    } catch (failure) {
      setError(failure as Error)
      setBusy(false)
    }
  }
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      {typed !== undefined && (
        <label className="stacked">
          {typedLabel}
          <input className="field" value={word} onChange={event => setWord(event.target.value)} />
        </label>
      )}
      {error && <Problem error={error} />}
      <footer className="dialog-foot">
        <Button onClick={onClose}>{common.cancel}</Button>
        <Button
          look={look}
          disabled={isBusy || !isReady || (typed !== undefined && word !== typed)}
          onClick={() => void confirm()}
        >
          {verb}
        </Button>
      </footer>
    </Dialog>
  )
}
