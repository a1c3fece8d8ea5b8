import { useState } from "react"
import { Button, Chip, IconButton } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { runs as t } from "@/texts/runs"

const KEY = "taskyard.views"

type Views = Record<string, string>

/** Filters under names of one's own, kept in this browser. */
export function SavedViews({ text, onChoose }: { text: string; onChoose: (text: string) => void }) {
  const [views, setViews] = useState<Views>(read)
  const [name, setName] = useState<string | null>(null)
  const keep = (next: Views) => {
    localStorage.setItem(KEY, JSON.stringify(next))
    setViews(next)
  }
  return (
    <>
      {Object.entries(views).map(([each, filter]) => (
        <span key={each} className="row">
          <Chip isOn={filter === text} onClick={() => onChoose(filter)}>
            {each}
          </Chip>
          {filter === text && (
            <IconButton
              icon="close"
              label={t.views.remove(each)}
              onClick={() =>
                keep(Object.fromEntries(Object.entries(views).filter(([other]) => other !== each)))
              }
            />
          )}
        </span>
      ))}
      {text && !Object.values(views).includes(text) && (
        <Button onClick={() => setName("")}>{t.views.save}</Button>
      )}
      {name !== null && (
        <Confirm
          title={t.views.save}
          verb={t.views.save}
          onConfirm={async () => keep({ ...views, [name.trim() || text]: text })}
          onClose={() => setName(null)}
        >
          <label className="stacked">
            {t.views.name}
            <input className="field" value={name} onChange={event => setName(event.target.value)} />
          </label>
          <p>
            <code>{text}</code>
          </p>
        </Confirm>
      )}
    </>
  )
}

function read(): Views {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Views
  } catch {
    return {}
  }
}
