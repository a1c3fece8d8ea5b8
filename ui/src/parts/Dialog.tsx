import { type ReactNode, useEffect, useId, useRef } from "react"
import { common } from "@/texts/common"
import { IconButton } from "./Button"

interface Given {
  title: string
  onClose: () => void
  children: ReactNode
}

/** A native dialog, open while it is drawn. */
export function Dialog({ title, onClose, children }: Given) {
  const dialog = useRef<HTMLDialogElement>(null)
  const name = useId()
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={name} onClose={onClose}>
      <header className="dialog-head">
        <h2 id={name}>{title}</h2>
        <IconButton icon="close" label={common.close} onClick={onClose} />
      </header>
      {children}
    </dialog>
  )
}
