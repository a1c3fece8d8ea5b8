import { useNavigate, useSearch } from "@tanstack/react-router"

/** What an address may say after its question mark: texts by name, those that are not used left alone. */
export type Search = Partial<Record<string, string>>

/** What the address says after its question mark, and how to change some of it in place. */
export function useSearchText(): [Search, (changes: Search) => void] {
  const search = useSearch({ strict: false }) as Search
  const navigate = useNavigate()
  const change = (changes: Search) => {
    void navigate({ to: ".", search: (old: Search) => ({ ...old, ...changes }), replace: true })
  }
  return [search, change]
}
