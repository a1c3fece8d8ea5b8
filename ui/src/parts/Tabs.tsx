import { type KeyboardEvent, type ReactNode, useEffect, useId } from "react"

export interface Tab<Name extends string> {
  name: Name
  title: string
  count?: number | undefined
}

interface Given<Name extends string> {
  label: string
  tabs: Tab<Name>[]
  chosen: Name
  onChoose: (name: Name) => void
  children: ReactNode
}

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 }

/** Tabs as ARIA describes them: one stop for Tab, the arrows choose. */
export function Tabs<Name extends string>({ label, tabs, chosen, onChoose, children }: Given<Name>) {
  const id = useId()
  useEffect(() => {
    document.getElementById(`${id}${chosen}`)?.scrollIntoView({ block: "nearest", inline: "nearest" })
  }, [id, chosen])
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = STEPS[event.key]
    if (step === undefined) return
    const at = tabs.findIndex(tab => tab.name === chosen)
    const next = tabs[(at + step + tabs.length) % tabs.length]
    if (!next) return
    onChoose(next.name)
    document.getElementById(`${id}${next.name}`)?.focus()
  }
  return (
    <>
      <div className="tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown} tabIndex={-1}>
        {tabs.map(tab => (
          <button
            key={tab.name}
            id={`${id}${tab.name}`}
            type="button"
            role="tab"
            aria-selected={tab.name === chosen}
            aria-controls={`${id}panel`}
            tabIndex={tab.name === chosen ? 0 : -1}
            onClick={() => onChoose(tab.name)}
          >
            {tab.title}
            {tab.count !== undefined && <span className="number quiet">{tab.count}</span>}
          </button>
        ))}
      </div>
      <div id={`${id}panel`} role="tabpanel" aria-labelledby={`${id}${chosen}`} className="tab-panel">
        {children}
      </div>
    </>
  )
}
