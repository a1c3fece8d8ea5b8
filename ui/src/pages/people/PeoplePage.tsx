import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { may, meOptions } from "@/api/operations"
import { groupOptions, type Person, peopleOptions, removePerson } from "@/api/people"
import { useSearchText } from "@/lib/useSearchText"
import { Button, IconButton } from "@/parts/Button"
import { Confirm } from "@/parts/Confirm"
import { Empty } from "@/parts/Empty"
import { Ledger } from "@/parts/Ledger"
import { Loaded } from "@/parts/Loaded"
import { More } from "@/parts/More"
import { Page } from "@/parts/Page"
import { notify } from "@/parts/Toasts"
import { people as t } from "@/texts/people"
import { PersonDialog } from "./PersonDialog"

type Asks = { what: "change"; person: Person | null } | { what: "remove"; person: Person }

/** The people who do manual tasks, all of them or those of one group. */
export function PeoplePage() {
  const [search, setSearch] = useSearchText()
  const { data: me } = useQuery(meOptions)
  const [asks, setAsks] = useState<Asks | null>(null)
  const isAdmin = may(me, "admin")
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        isAdmin && (
          <Button icon="person" onClick={() => setAsks({ what: "change", person: null })}>
            {t.add}
          </Button>
        )
      }
    >
      {search.group ? (
        <Group
          name={search.group}
          onAll={() => setSearch({ group: "" })}
          onAsk={isAdmin ? setAsks : undefined}
        />
      ) : (
        <Everybody onGroup={group => setSearch({ group })} onAsk={isAdmin ? setAsks : undefined} />
      )}
      {asks?.what === "change" && <PersonDialog person={asks.person} onClose={() => setAsks(null)} />}
      {asks?.what === "remove" && <Removal person={asks.person} onClose={() => setAsks(null)} />}
    </Page>
  )
}

type OnAsk = ((asks: Asks) => void) | undefined

function Everybody({ onGroup, onAsk }: { onGroup: (name: string) => void; onAsk: OnAsk }) {
  const found = useInfiniteQuery(peopleOptions)
  return (
    <Loaded from={found}>
      {({ pages }) => {
        const items = pages.flatMap(page => page.items)
        return items.length === 0 ? (
          <Empty title={t.none}>
            <p>{t.noneHelp}</p>
          </Empty>
        ) : (
          <div className="stack">
            <PersonTable people={items} onGroup={onGroup} onAsk={onAsk} />
            <More of={found} />
          </div>
        )
      }}
    </Loaded>
  )
}

function Group({ name, onAll, onAsk }: { name: string; onAll: () => void; onAsk: OnAsk }) {
  const found = useQuery(groupOptions(name))
  return (
    <section className="stack" aria-labelledby="group">
      <div className="row">
        <h2 id="group">{t.group(name)}</h2>
        <span className="quiet">{found.data && t.members(found.data.members.length)}</span>
        <span className="spring" />
        <Button onClick={onAll}>{t.all}</Button>
      </div>
      <Loaded from={found}>{({ members }) => <PersonTable people={members} onAsk={onAsk} />}</Loaded>
    </section>
  )
}

interface TableGiven {
  people: Person[]
  onGroup?: (name: string) => void
  onAsk: OnAsk
}

function PersonTable({ people, onGroup, onAsk }: TableGiven) {
  return (
    <div className="sheet scrolls">
      <Ledger
        heads={[
          t.columns.person,
          t.columns.groups,
          t.columns.skills,
          t.columns.load,
          ...(onAsk ? [{ unseen: t.change }] : []),
        ]}
      >
        {people.map(person => (
          <tr key={person.id}>
            <td className="wide">
              <span className="title">{person.name || person.id}</span>{" "}
              {person.away && <span className="tag">{t.away}</span>}
              <p className="quiet">{[person.name && person.id, person.email].filter(Boolean).join(", ")}</p>
            </td>
            <td>
              {person.groups.map(group =>
                onGroup ? (
                  <button key={group} type="button" className="tag" onClick={() => onGroup(group)}>
                    {group}
                  </button>
                ) : (
                  <span key={group} className="tag">
                    {group}
                  </span>
                ),
              )}
            </td>
            <td className="quiet less">{person.skills.join(", ")}</td>
            <td className="number less">{person.maxOpen ?? t.any}</td>
            {onAsk && (
              <td className="right">
                <span className="row">
                  <Button
                    aria-label={t.changeNamed(person.id)}
                    onClick={() => onAsk({ what: "change", person })}
                  >
                    {t.change}
                  </Button>
                  <IconButton
                    icon="trash"
                    label={t.removeNamed(person.id)}
                    onClick={() => onAsk({ what: "remove", person })}
                  />
                </span>
              </td>
            )}
          </tr>
        ))}
      </Ledger>
    </div>
  )
}

function Removal({ person, onClose }: { person: Person; onClose: () => void }) {
  const client = useQueryClient()
  const act = async () => {
    await removePerson(person.id)
    notify(t.removed)
    await client.invalidateQueries({ queryKey: peopleOptions.queryKey })
  }
  return (
    <Confirm title={t.removeTitle(person.id)} verb={t.remove} look="danger" onConfirm={act} onClose={onClose}>
      <p>{t.removeHelp}</p>
    </Confirm>
  )
}
