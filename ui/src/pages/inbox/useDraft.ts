import { useQueryClient } from "@tanstack/react-query"
import { useEffect, useEffectEvent, useRef } from "react"
import { type InboxItem, inboxItemOptions, saveDraft } from "@/api/inbox"

const DRAFT_AFTER = 3_000

export interface Draft {
  now: () => Promise<void>
  later: (value: unknown) => void
  take: () => { value: unknown } | null
}

/**
 * Keeps what is filled in with the server: when it is asked to, a moment after the last change, and when the page or
 * the work is left.
 */
export function useDraft(item: InboxItem): Draft {
  const client = useQueryClient()
  const unsaved = useRef<{ value: unknown } | null>(null)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const may = item.actions.includes("draft")
  const { queryKey } = inboxItemOptions(item.taskId)
  const now = async () => {
    clearTimeout(timer.current)
    const kept = unsaved.current
    if (!kept || !may) return
    unsaved.current = null
    client.setQueryData(queryKey, old => old && { ...old, draft: kept.value })
    try {
      await saveDraft(item.taskId, kept.value)
    } catch (error) {
      unsaved.current ??= kept
      throw error
    }
  }
  const later = (value: unknown) => {
    unsaved.current = { value }
    clearTimeout(timer.current)
    timer.current = setTimeout(() => void now().catch(() => undefined), DRAFT_AFTER)
  }
  const leave = useEffectEvent(() => void now().catch(() => undefined))
  useEffect(() => {
    const onLeave = () => leave()
    window.addEventListener("pagehide", onLeave)
    return () => {
      window.removeEventListener("pagehide", onLeave)
      leave()
    }
  }, [])
  /** What is not kept yet; it is not going to be. */
  const take = () => {
    const kept = unsaved.current
    clearTimeout(timer.current)
    unsaved.current = null
    return kept
  }
  return { now, later, take }
}
