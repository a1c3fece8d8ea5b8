import { type ReactNode, useEffect, useRef } from "react"

interface Given {
  title: string
  /** A sentence or facts beneath the title. */
  about?: ReactNode
  actions?: ReactNode
  children: ReactNode
}

/** A page's frame. Its heading takes the focus when the page is come to, so that the next Tab goes on from there. */
export function Page({ title, about, actions, children }: Given) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} – Taskyard`
  }, [title])
  useEffect(() => heading.current?.focus({ preventScroll: true }), [])
  return (
    <>
      <header className="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {about && <div className="quiet">{about}</div>}
        </div>
        {actions && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </>
  )
}
