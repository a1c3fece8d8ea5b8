import NavigatedViewer from "bpmn-js/lib/NavigatedViewer"
import { useEffect, useRef, useState } from "react"
import "bpmn-js/dist/assets/diagram-js.css"
import type { State } from "@/lib/state"
import { run as t } from "@/texts/run"

interface Given {
  source: string
  /** How each step that has begun stands. */
  states: Record<string, State>
  /** The step that is looked at. */
  at: string | null
}

/** Drawn in the colours of the theme, also where that is changed afterwards. */
const COLOURS = {
  defaultFillColor: "var(--sheet)",
  defaultStrokeColor: "var(--ink)",
  defaultLabelColor: "var(--ink)",
}

interface Canvas {
  resized: () => void
  zoom: (to: "fit-viewport", centre: "auto") => void
  addMarker: (element: string, marker: string) => void
  removeMarker: (element: string, marker: string) => void
}

/** All of the drawing, in the room that there is now. */
function showAll(canvas: Canvas): void {
  canvas.resized()
  canvas.zoom("fit-viewport", "auto")
}

/** A process as it was drawn, its steps in the colours of their states. Where nothing was drawn it says so. */
export default function Diagram({ source, states, at }: Given) {
  const box = useRef<HTMLElement>(null)
  const [viewer, setViewer] = useState<NavigatedViewer | null>(null)
  const [isDrawn, setDrawn] = useState(true)
  useEffect(() => {
    if (!box.current) return
    const element = box.current
    const made = new NavigatedViewer({ container: element, bpmnRenderer: COLOURS })
    const watcher = new ResizeObserver(() => {
      if (element.clientWidth > 0) showAll(made.get<Canvas>("canvas"))
    })
    let isLeft = false
    const draw = async () => {
      await made.importXML(source)
      if (isLeft) return
      watcher.observe(element)
      setViewer(made)
    }
    draw().catch(() => isLeft || setDrawn(false))
    return () => {
      isLeft = true
      watcher.disconnect()
      setViewer(null)
      made.destroy()
    }
  }, [source])
  useEffect(() => {
    if (!viewer) return
    const canvas = viewer.get<Canvas>("canvas")
    const registry = viewer.get<{ get: (id: string) => unknown }>("elementRegistry")
    const marks: [string, string][] = Object.entries(states).map(([id, state]) => [id, `step-${state}`])
    if (at) marks.push([at, "step-at"])
    const known = marks.filter(([id]) => registry.get(id))
    for (const [id, mark] of known) canvas.addMarker(id, mark)
    return () => {
      for (const [id, mark] of known) canvas.removeMarker(id, mark)
    }
  }, [viewer, states, at])
  if (!isDrawn) return <p className="quiet">{t.noDiagram}</p>
  return <section ref={box} className="diagram" aria-label={t.diagram} />
}
