import { useSearchText } from "@/lib/useSearchText"

/** A field for what is sought; its text stands in the address. */
export function Sought({ name, label }: { name: "by" | "event"; label: string }) {
  const [search, setSearch] = useSearchText()
  return (
    <input
      className="field sought"
      type="search"
      data-filter
      aria-label={label}
      placeholder={label}
      value={search[name] ?? ""}
      onChange={change => setSearch({ [name]: change.target.value })}
    />
  )
}
