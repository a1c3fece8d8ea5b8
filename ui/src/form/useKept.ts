import { useEffect } from "react"
import { parseJson, stringifyJson } from "@/lib/json"
import { type Field, leaves } from "./field"

/** Keep what has been filled in for as long as the tab is open, but for secrets and files. */
export function useKept(key: string, fields: Field[]) {
  const hidden = leaves(fields).some(([, field]) => field.widget === "password")
  useEffect(() => {
    if (hidden) sessionStorage.removeItem(key)
  }, [key, hidden])
  return {
    kept: (): unknown => {
      const text = hidden ? null : sessionStorage.getItem(key)
      return text === null ? undefined : parseJson(text)
    },
    keep: (value: unknown) => {
      if (!hidden) sessionStorage.setItem(key, stringifyJson(value))
    },
    forget: () => sessionStorage.removeItem(key),
  }
}
