import { useQueryClient } from "@tanstack/react-query"
import { discard } from "@/api/deadLetters"
import type { ErrorGroup } from "@/api/errors"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { deadLetters as t } from "@/texts/deadLetters"
import { DryRun } from "./DryRun"
import { moveAll } from "./moveAll"

const MANY = 100

/** Gives dead letters up; of many their number has to be typed. */
export function DiscardDialog({ group, onClose }: { group: ErrorGroup; onClose: () => void }) {
  const client = useQueryClient()
  const { count, fingerprint } = group
  const act = async () => {
    notify(t.discarded(await moveAll(discard, { fingerprint })))
    await client.invalidateQueries()
  }
  return (
    <Confirm
      title={t.discardTitle(count)}
      verb={t.discard}
      look="danger"
      typed={count > MANY ? String(count) : undefined}
      typedLabel={t.typeCount(count)}
      onConfirm={act}
      onClose={onClose}
    >
      <p>{t.discardHelp}</p>
      <DryRun group={group} ask={() => discard({ fingerprint, dryRun: true })} />
    </Confirm>
  )
}
