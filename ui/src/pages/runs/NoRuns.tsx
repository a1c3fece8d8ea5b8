import { Link } from "@tanstack/react-router"
import { Button } from "@/parts/Button"
import { Empty, Told } from "@/parts/Empty"
import { runs as t } from "@/texts/runs"

export function NoRuns({ isFiltered, onClear }: { isFiltered: boolean; onClear: () => void }) {
  if (isFiltered) {
    return (
      <Empty title={t.none}>
        <Button onClick={onClear}>{t.clearFilter}</Button>
      </Empty>
    )
  }
  return (
    <Empty title={t.noneAtAll}>
      <Told>{t.noneHelp}</Told>
      <Link to="/task">{t.goToTasks}</Link>
    </Empty>
  )
}
