import { useQuery } from "@tanstack/react-query"
import type { ErrorGroup } from "@/api/errors"
import { Problem } from "@/parts/Problem"
import { deadLetters as t } from "@/texts/deadLetters"

interface Given {
  group: ErrorGroup
  ask: () => Promise<{ taskIds: string[]; complete: boolean }>
}

/** Asks the server which of them a verb would move, and says how many. */
export function DryRun({ group, ask }: Given) {
  const { data, error } = useQuery({
    queryKey: ["dry run", group.fingerprint],
    queryFn: ask,
    gcTime: 0,
  })
  if (error) return <Problem error={error} />
  return <p role="status">{data ? told(data, group) : t.checking}</p>
}

const told = ({ taskIds, complete }: { taskIds: string[]; complete: boolean }, group: ErrorGroup) =>
  t.dry(taskIds.length, group.count) + (complete ? "" : ` ${t.newest}`)
