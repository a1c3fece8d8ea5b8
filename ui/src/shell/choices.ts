import type { NavigateOptions } from "@tanstack/react-router"
import type { Definition } from "@/api/definitions"
import type { Me } from "@/api/operations"
import { type IconName, iconNamed } from "@/parts/Icon"
import { pages, shell } from "@/texts/shell"
import { placesFor } from "./places"

const t = shell.palette
const MOST = 12

/** Something the palette can lead to. */
export interface Choice {
  id: string
  title: string
  about: string
  icon: IconName
  target: NavigateOptions
}

/** What fits the text, the best first. */
export function choicesFor(text: string, me: Me | undefined, definitions: Definition[]): Choice[] {
  const wanted = text.trim().toLowerCase()
  const found = [...placeChoices(me), ...definitionChoices(definitions)]
    .map(choice => ({ choice, rank: rankOf(choice, wanted) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank)
    .map(({ choice }) => choice)
  return [...runChoices(wanted), ...found, ...filterChoices(text.trim())].slice(0, MOST)
}

function rankOf(choice: Choice, wanted: string): number {
  const title = choice.title.toLowerCase()
  if (title.startsWith(wanted)) return 3
  if (title.includes(wanted)) return 2
  return choice.id.toLowerCase().includes(wanted) ? 1 : 0
}

const placeChoices = (me: Me | undefined): Choice[] =>
  placesFor(me).map(place => ({
    id: place.to,
    title: pages[place.name],
    about: t.page,
    icon: place.icon,
    target: { to: place.to } as NavigateOptions,
  }))

const definitionChoices = (definitions: Definition[]): Choice[] =>
  definitions.map(({ key, title, icon }) => ({
    id: key,
    title: title || key,
    about: t.task,
    icon: iconNamed(icon),
    target: { to: "/task/$key", params: { key } } as NavigateOptions,
  }))

const runChoices = (text: string): Choice[] =>
  /^\d{6,19}$/.test(text)
    ? [
        {
          id: `run ${text}`,
          title: t.openRun(text),
          about: t.run,
          icon: "list",
          target: { to: "/run/$taskId", params: { taskId: text } } as NavigateOptions,
        },
      ]
    : []

const filterChoices = (text: string): Choice[] =>
  text
    ? [
        {
          id: `filter ${text}`,
          title: t.filterRuns(text),
          about: t.action,
          icon: "search",
          target: { to: "/run", search: { q: text } } as NavigateOptions,
        },
      ]
    : []
