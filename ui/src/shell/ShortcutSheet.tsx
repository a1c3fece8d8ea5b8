import { Dialog } from "@/parts/Dialog"
import { shell as t } from "@/texts/shell"

const KEYS: [keys: string, what: keyof typeof t.keys][] = [
  ["Ctrl K", "palette"],
  ["/", "filter"],
  ["g then i t r o q d f w e a", "goes"],
  ["j k", "move"],
  ["x", "select"],
  ["Enter", "open"],
  ["r", "live"],
  ["t", "theme"],
  ["?", "sheet"],
]

export function ShortcutSheet({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t.shortcuts} onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{t.keys[what]}</dd>
          </div>
        ))}
      </dl>
      <p className="quiet">{t.keys.off}</p>
    </Dialog>
  )
}
