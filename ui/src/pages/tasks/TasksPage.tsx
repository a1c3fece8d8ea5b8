import { useQueries, useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useMemo } from "react"
import { type Definition, definitionsOptions } from "@/api/definitions"
import { type Figures, may, meOptions, metricsOptions } from "@/api/operations"
import { every } from "@/api/pages"
import { type Brief, recentOptions } from "@/api/tasks"
import { span } from "@/lib/time"
import { useSearchText } from "@/lib/useSearchText"
import { Button, Chip } from "@/parts/Button"
import { Empty, Told } from "@/parts/Empty"
import { Icon, iconNamed } from "@/parts/Icon"
import { Loaded } from "@/parts/Loaded"
import { Moment } from "@/parts/Moment"
import { Page } from "@/parts/Page"
import { Strip } from "@/parts/Strip"
import { tasks as t } from "@/texts/tasks"
import { flagsOf, grouped, search, titleOf } from "./search"
import "./tasks.css"

const AT_ONCE = 50
const REFRESH = 5_000

/** Everything that can be run, by category; search and filters stand in the address. */
export function TasksPage() {
  const definitions = useQuery(definitionsOptions)
  return (
    <Page title={t.title} about={t.about}>
      <Loaded from={definitions}>
        {all =>
          all.length ? (
            <Browser all={all} />
          ) : (
            <Empty title={t.noneAtAll}>
              <Told>{t.noneHelp}</Told>
            </Empty>
          )
        }
      </Loaded>
    </Page>
  )
}

function Browser({ all }: { all: Definition[] }) {
  const [text, setText] = useSearchText()
  const wanted = {
    q: text.q ?? "",
    category: text.category ?? "",
    tag: text.tag ?? "",
    flag: text.flag ?? "",
  }
  const found = search(all, wanted)
  const recent = useRecent(all)
  const categories = grouped(all)
  const flags = [...new Set(all.flatMap(flagsOf))]
  return (
    <div className="stack">
      <div className="tasks-bar">
        <input
          className="field"
          type="search"
          data-filter
          aria-label={t.search}
          placeholder={t.placeholder}
          value={wanted.q}
          onChange={event => setText({ q: event.target.value })}
        />
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would be framed */}
        <div className="chips" role="group" aria-label={t.categories}>
          {categories.map(([category, inside]) => {
            const value = category || "other"
            const isOn = wanted.category === value
            return (
              <Chip
                key={value}
                isOn={isOn}
                count={inside.length}
                onClick={() => setText({ category: isOn ? "" : value })}
              >
                {t.known[category] ?? category}
              </Chip>
            )
          })}
          {flags.map(flag => (
            <Chip
              key={flag}
              isOn={wanted.flag === flag}
              onClick={() => setText({ flag: wanted.flag === flag ? "" : flag })}
            >
              {t.flags[flag as keyof typeof t.flags]}
            </Chip>
          ))}
          {wanted.tag && (
            <Chip isOn aria-label={t.tag(wanted.tag)} onClick={() => setText({ tag: "" })}>
              {wanted.tag}
            </Chip>
          )}
        </div>
      </div>
      {found.length === 0 && (
        <Empty title={t.none}>
          <Button onClick={() => setText({ q: "", category: "", tag: "", flag: "" })}>{t.clear}</Button>
        </Empty>
      )}
      {grouped(found).map(([category, inside]) => (
        <section key={category}>
          <h2 className="category">{t.known[category] ?? category}</h2>
          <ul>
            {inside.map(each => (
              <TaskRow
                key={each.key}
                definition={each}
                runs={recent.get(each.key) ?? []}
                onTag={tag => setText({ tag })}
              />
            ))}
          </ul>
        </section>
      ))}
    </div>
  )
}

function TaskRow({
  definition,
  runs,
  onTag,
}: {
  definition: Definition
  runs: Brief[]
  onTag: (tag: string) => void
}) {
  const { data: me } = useQuery(meOptions)
  const { data: metrics } = useQuery({ ...metricsOptions, enabled: may(me, "tasks:read", "queues:manage") })
  const figures = metrics?.definitions[definition.key] as unknown as Figures | undefined
  const title = titleOf(definition)
  return (
    <li className="task-row">
      <Icon name={iconNamed(definition.icon)} />
      <div className="task-words">
        <Link className="title" to="/task/$key" params={{ key: definition.key }}>
          {title}
        </Link>
        {flagsOf(definition).map(flag => (
          <span key={flag} className={flag === "danger" ? "tag danger" : "tag"}>
            {t.flags[flag as keyof typeof t.flags]}
          </span>
        ))}
        {definition.tags.map(tag => (
          <button
            key={tag}
            type="button"
            className="tag-button"
            aria-label={t.tag(tag)}
            onClick={() => onTag(tag)}
          >
            {tag}
          </button>
        ))}
        <p className="quiet">{definition.description}</p>
      </div>
      <Strip runs={runs} />
      <span className="number quiet task-median" title={t.median}>
        {figures?.executionTime.p50 != null ? span(figures.executionTime.p50) : ""}
      </span>
      <span className="number quiet task-last">{runs[0] ? <Moment at={runs[0].createdAt} /> : t.never}</span>
      <Link
        className="button"
        to="/task/$key"
        params={{ key: definition.key }}
        aria-label={t.runNamed(title)}
      >
        {t.run}
      </Link>
    </li>
  )
}

/** The latest runs by definition, asked for some fifty at a time. */
function useRecent(all: Definition[]): Map<string, Brief[]> {
  const batches = useMemo(() => {
    const keys = all.map(each => each.key).sort()
    return Array.from({ length: Math.ceil(keys.length / AT_ONCE) }, (_, k) =>
      keys.slice(k * AT_ONCE, (k + 1) * AT_ONCE),
    )
  }, [all])
  const { data: me } = useQuery(meOptions)
  const answers = useQueries({
    queries: batches.map(keys => ({
      ...recentOptions(keys),
      enabled: may(me, "tasks:read"),
      refetchInterval: every(REFRESH),
    })),
  })
  return new Map(
    answers.flatMap(({ data }) => data?.items.map(each => [each.definition, each.runs] as const) ?? []),
  )
}
