import { useQuery } from "@tanstack/react-query"
import { Problem } from "@/parts/Problem"
import { deadLetters as t } from "@/texts/deadLetters"

/** Asks the server which of them a verb would move, and says how many. */
export function DryRun({
  taskIds,
  ask,
}: {
  taskIds: string[]
  ask: (ids: string[]) => Promise<{ taskIds: string[] }>
}) {
  const { data, error } = useQuery({
    queryKey: ["dry run", taskIds],
    queryFn: () => ask(taskIds),
    staleTime: 0,
  })
  if (error) return <Problem error={error} />
  return <p role="status">{data ? t.dry(data.taskIds.length, taskIds.length) : t.checking}</p>
}
