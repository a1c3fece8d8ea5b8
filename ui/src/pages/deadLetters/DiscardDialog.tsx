import { useQueryClient } from "@tanstack/react-query"
import { discard } from "@/api/deadLetters"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { deadLetters as t } from "@/texts/deadLetters"
import { DryRun } from "./DryRun"

const MANY = 100

/** Gives dead letters up; of many their number has to be typed. */
export function DiscardDialog({ taskIds, onClose }: { taskIds: string[]; onClose: () => void }) {
  const client = useQueryClient()
  const count = taskIds.length
  const act = async () => {
    const moved = await discard({ taskIds })
    notify(t.discarded(moved.taskIds.length))
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
      <DryRun taskIds={taskIds} ask={ids => discard({ taskIds: ids, dryRun: true })} />
    </Confirm>
  )
}
