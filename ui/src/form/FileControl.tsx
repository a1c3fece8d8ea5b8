import { type DragEvent, useState } from "react"
import { upload } from "@/api/tasks"
import { IconButton } from "@/parts/Button"
import { Icon } from "@/parts/Icon"
import { form as t } from "@/texts/form"
import type { Kept } from "./field"
import type { ControlGiven } from "./given"
import { comingOf } from "./value"

/**
 * Files, uploaded as they are chosen; the value is what the server calls them. While they are on their way there is no
 * value, and no others are taken.
 */
export function FileControl({ field, raw, onRaw, attributes }: ControlGiven) {
  const kept = Array.isArray(raw) ? (raw as Kept[]) : []
  const coming = comingOf(raw)
  const [problem, setProblem] = useState<string | null>(null)
  const take = async (files: FileList | null) => {
    if (!files?.length || coming) return
    const taken = field.multiple ? [...kept] : []
    setProblem(null)
    try {
      for (const file of field.multiple ? [...files] : [files[0] as File]) {
        onRaw([...taken, { id: null, name: file.name }])
        taken.push({ id: (await upload(file)).uploadId, name: file.name })
      }
      onRaw(taken)
    } catch (error) {
      onRaw(kept)
      setProblem((error as Error).message)
    }
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    void take(event.dataTransfer.files)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping has the button beside it
    <div className="file" onDragOver={event => event.preventDefault()} onDrop={drop}>
      <span className="button file-button">
        <Icon name="upload" />
        {t.chooseFile}
        <input
          {...attributes}
          type="file"
          disabled={attributes.disabled || coming !== undefined}
          multiple={field.multiple}
          accept={field.accept}
          onChange={event => void take(event.target.files)}
        />
      </span>
      <span className="quiet">{coming ? t.uploading(coming.name) : t.drop}</span>
      {!coming &&
        kept.map(file => (
          <span key={file.id} className="tag">
            {file.name}
            <IconButton
              icon="close"
              label={t.removeFile(file.name)}
              onClick={() => onRaw(kept.filter(each => each.id !== file.id))}
            />
          </span>
        ))}
      {problem && (
        <p className="fault" role="alert">
          {problem}
        </p>
      )}
    </div>
  )
}
