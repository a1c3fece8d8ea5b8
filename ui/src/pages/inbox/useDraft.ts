import { useQueryClient } from "@tanstack/react-query"
import { useEffect, useState } from "react"
import { type InboxItem, inboxItemOptions, saveDraft } from "@/api/inbox"
import { Draft } from "./draft"

/** The draft of one piece of work; what it holds is kept, too, when the page or the work is left. */
export function useDraft({ taskId }: InboxItem): Draft {
  const client = useQueryClient()
  const [draft] = useState(() => {
    const { queryKey } = inboxItemOptions(taskId)
    return new Draft(value => {
      if (!client.getQueryData(queryKey)?.actions.includes("draft")) return undefined
      client.setQueryData(queryKey, old => old && { ...old, draft: value })
      return saveDraft(taskId, value)
    })
  })
  useEffect(() => {
    const leave = () => void draft.now().catch(() => undefined)
    window.addEventListener("pagehide", leave)
    return () => {
      window.removeEventListener("pagehide", leave)
      leave()
    }
  }, [draft])
  return draft
}
