import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { type Person, peopleOptions, personOptions, putPassword, putPerson } from "@/api/people"
import { Confirm } from "@/parts/Confirm"
import { notify } from "@/parts/Toasts"
import { people as t } from "@/texts/people"

/** Enters somebody, or changes what is known of them. */
export function PersonDialog({ person, onClose }: { person: Person | null; onClose: () => void }) {
  const client = useQueryClient()
  const [id, setId] = useState(person?.id ?? "")
  const [name, setName] = useState(person?.name ?? "")
  const [email, setEmail] = useState(person?.email ?? "")
  const [groups, setGroups] = useState(person?.groups.join("\n") ?? "")
  const [skills, setSkills] = useState(person?.skills.join("\n") ?? "")
  const [maxOpen, setMaxOpen] = useState(person?.maxOpen == null ? "" : String(person.maxOpen))
  const [isAway, setAway] = useState(person?.away ?? false)
  const [password, setPassword] = useState("")
  const [scopes, setScopes] = useState<string | null>(null)
  const known = useQuery({ ...personOptions(person?.id ?? ""), enabled: person !== null && password !== "" })
  const may = scopes ?? known.data?.login?.scopes.join("\n") ?? "tasks:manual"
  const save = async () => {
    await putPerson(id.trim(), {
      name: name.trim(),
      email: email.trim(),
      groups: linesOf(groups),
      skills: linesOf(skills),
      maxOpen: maxOpen ? Number(maxOpen) : null,
      away: isAway,
    })
    if (password)
      await putPassword(id.trim(), { password, ...(scopes !== null && { scopes: linesOf(scopes) }) })
    notify(t.saved(id.trim()))
    await client.invalidateQueries({ queryKey: peopleOptions.queryKey })
  }
  return (
    <Confirm
      title={person ? t.changeNamed(person.id) : t.add}
      verb={person ? t.change : t.add}
      isReady={id.trim() !== ""}
      onConfirm={save}
      onClose={onClose}
    >
      {!person && <Line label={t.id} value={id} onValue={setId} />}
      <Line label={t.name} value={name} onValue={setName} />
      <Line label={t.email} value={email} onValue={setEmail} />
      <Lines label={t.groups} value={groups} onValue={setGroups} />
      <Lines label={t.skills} value={skills} onValue={setSkills} />
      <Line label={t.maxOpen} value={maxOpen} onValue={setMaxOpen} />
      <label className="option">
        <input type="checkbox" checked={isAway} onChange={event => setAway(event.target.checked)} />
        {t.isAway}
      </label>
      <label className="stacked">
        {t.password}
        <input
          className="field"
          type="password"
          autoComplete="new-password"
          value={password}
          onChange={event => setPassword(event.target.value)}
        />
      </label>
      {password && <Lines label={t.scopes} value={may} onValue={setScopes} />}
    </Confirm>
  )
}

interface LineGiven {
  label: string
  value: string
  onValue: (value: string) => void
}

const Line = ({ label, value, onValue }: LineGiven) => (
  <label className="stacked">
    {label}
    <input className="field" value={value} onChange={event => onValue(event.target.value)} />
  </label>
)

const Lines = ({ label, value, onValue }: LineGiven) => (
  <label className="stacked">
    {label}
    <textarea className="field" rows={3} value={value} onChange={event => onValue(event.target.value)} />
  </label>
)

const linesOf = (text: string) =>
  text
    .split("\n")
    .map(line => line.trim())
    .filter(Boolean)
