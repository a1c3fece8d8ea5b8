import { useState } from "react"
import { parseJson, stringifyJson } from "@/lib/json"
import { Button, Chip, IconButton } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { task as t } from "@/texts/tasks"
import { readPresets, writePresets } from "./presets"

interface Given {
  definitionKey: string
  current: () => unknown
  onChoose: (value: unknown) => void
}

/** Inputs under names of one's own. */
export function PresetBar({ definitionKey, current, onChoose }: Given) {
  const [presets, setPresets] = useState(() => readPresets(definitionKey))
  const [chosen, setChosen] = useState<string | null>(null)
  const [name, setName] = useState<string | null>(null)
  const keep = (next: typeof presets) => {
    writePresets(definitionKey, next)
    setPresets(next)
  }
  const choose = (each: string) => {
    setChosen(each)
    onChoose(parseJson(presets[each] ?? "{}"))
  }
  const remove = (each: string) => {
    setChosen(null)
    keep(Object.fromEntries(Object.entries(presets).filter(([other]) => other !== each)))
  }
  return (
    <>
      {Object.keys(presets).map(each => (
        <span key={each} className="row">
          <Chip isOn={each === chosen} onClick={() => choose(each)}>
            {each}
          </Chip>
          {each === chosen && (
            <IconButton icon="close" label={t.removePreset(each)} onClick={() => remove(each)} />
          )}
        </span>
      ))}
      <Button onClick={() => setName("")}>{t.savePreset}</Button>
      {name !== null && (
        <Confirm
          title={t.savePreset}
          verb={t.savePreset}
          onConfirm={async () => keep({ ...presets, [name.trim() || t.presets]: stringifyJson(current()) })}
          onClose={() => setName(null)}
        >
          <label className="stacked">
            {t.presetName}
            <input className="field" value={name} onChange={event => setName(event.target.value)} />
          </label>
        </Confirm>
      )}
    </>
  )
}
