/** Drawn on 16 × 16, in strokes of the text's colour. */
const PATHS = {
  inbox: "M2 9h3.5l1 2h3l1-2H14M2 9v4h12V9M2 9l2-6h8l2 6",
  bolt: "M9 1.5 3 9h4l-1 5.5L13 7H9z",
  list: "M5.5 4H14M5.5 8H14M5.5 12H14M2 4h.5M2 8h.5M2 12h.5",
  home: "M2.5 7.5 8 2.5l5.5 5V14h-11z",
  queue: "M2 3h12v3H2zM2 8h12v3H2zM2 13.5h12",
  letter: "M2 3.5h12v9H2zM2 4l6 5 6-5",
  server: "M2.5 2.5h11v4.5h-11zM2.5 9h11v4.5h-11zM5 4.8h.5M5 11.3h.5",
  clock: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.5V8l2.5 1.5",
  events: "M13.5 6.5A6 6 0 0 0 3 4.5M2.5 2v3h3M2.5 9.5A6 6 0 0 0 13 11.5M13.5 14v-3h-3",
  hook: "M6 9.5a3 3 0 1 1-3-3M8 4a3 3 0 1 1 2 2.8M6 9.5 8 5M10 11a3 3 0 1 0 1-4",
  people:
    "M6 7.5A2.5 2.5 0 1 0 6 2.500a2.5 2.5 0 0 0 0 5M1.500 13.500c0-3 2-4.500 4.500-4.500s4.500 1.500 4.500 4.500M10.500 2.800a2.500 2.500 0 0 1 0 4.500M12 9.300c1.500.6 2.500 2 2.500 4.200",
  gear: "M8 5.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M8 1.500v2M8 12.500v2M1.500 8h2M12.500 8h2M3.400 3.400l1.400 1.400M11.200 11.200l1.400 1.400M3.400 12.600l1.400-1.400M11.200 4.800l1.400-1.400",
  search: "M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9M10.300 10.300 14 14",
  moon: "M13.500 9.500A6 6 0 0 1 6.500 2.500a5.800 5.800 0 1 0 7 7",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  help: "M5.500 6a2.500 2.500 0 1 1 3.500 2.300c-.7.3-1 .8-1 1.700M8 12.800v.2",
  menu: "M2 4h12M2 8h12M2 12h12",
  close: "M3.500 3.500l9 9M12.500 3.500l-9 9",
  up: "M3.500 10 8 5.500 12.500 10",
  down: "M3.500 6 8 10.500 12.500 6",
  right: "M6 3.500 10.500 8 6 12.500",
  play: "M4.500 2.500 12.500 8l-8 5.500z",
  pause: "M5 3v10M11 3v10",
  check: "M2.500 8.500 6 12l7.500-8",
  cross: "M4 4l8 8M12 4l-8 8",
  ring: "M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11",
  turning: "M8 2.500a5.500 5.500 0 1 0 5.500 5.500",
  again: "M13.500 8A5.500 5.500 0 1 1 11.500 3.800M13.500 1.500V5H10",
  person: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6M2.500 14c.3-3 2.500-4.500 5.500-4.500s5.200 1.500 5.500 4.500",
  plug: "M5.500 1.500v4M10.500 1.500v4M3.500 5.500h9V8a4.500 4.500 0 0 1-9 0zM8 12.500v2",
  barred: "M8 2.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11M4.200 4.200l7.600 7.600",
  warning: "M8 2 1.500 13.500h13zM8 6.500v3M8 11.500v.2",
  coins:
    "M6 6.500c2.500 0 4.500-.8 4.500-2S8.500 2.500 6 2.500s-4.500.8-4.500 2 2 2 4.500 2M1.500 4.500v7c0 1.200 2 2 4.500 2M10.500 4.500V7M10 13.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7",
  database:
    "M8 5.500c3 0 5.500-.8 5.500-2S11 1.500 8 1.500s-5.500.8-5.500 2 2.500 2 5.500 2M2.500 3.500v9c0 1.200 2.500 2 5.500 2s5.500-.8 5.500-2v-9M2.500 8c0 1.200 2.500 2 5.500 2s5.500-.8 5.500-2",
  fingerprint:
    "M4 12.500c-.8-1.300-1-3-1-4.500a5 5 0 0 1 10 0v2M6 14c-.8-1.700-1-3.500-1-6a3 3 0 0 1 6 0c0 2 0 4-.5 6M8 8v2c0 1.500-.2 3-.5 4.500",
  file: "M3.500 1.500h6l3 3v10h-9zM9.500 1.500v3h3M5.500 8h5M5.500 11h5",
  trash: "M2.500 4h11M6 4V2h4v2M4 4l.7 10h6.600L12 4",
  upload: "M8 11V2.500M4.500 6 8 2.500 11.500 6M2.500 10.500v3h11v-3",
  image: "M2 2.500h12v11H2zM2 11l3.500-3.500L9 11l2-2 3 3M10.500 5.500h.5",
  chart: "M2 14h12M4 14V9M8 14V3M12 14V6.500",
  code: "M5.500 4 1.500 8l4 4M10.500 4l4 4-4 4",
  globe:
    "M8 1.800a6.200 6.200 0 1 0 0 12.400A6.200 6.200 0 0 0 8 1.800M2 8h12M8 1.800c-4 4-4 8.400 0 12.400 4-4 4-8.400 0-12.400",
  mail: "M2 3.500h12v9H2zM2 4l6 5 6-5",
  key: "M10.500 2a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M8 8l-5.500 5.500M4 12l1.500 1.500",
  copy: "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3",
} as const

export type IconName = keyof typeof PATHS

/** The names under which authors of definitions know icons, where they differ from ours. */
const ALIASES: Record<string, IconName> = {
  "file-text": "file",
  users: "people",
  user: "person",
  unplug: "plug",
  refresh: "again",
  cleanup: "trash",
  table: "list",
  zap: "bolt",
}

/** The icon a definition asks for by its free name. */
export const iconNamed = (name: string): IconName =>
  name in PATHS ? (name as IconName) : (ALIASES[name] ?? "bolt")

export function Icon({ name, turns }: { name: IconName; turns?: boolean }) {
  return (
    <svg className={turns ? "icon turns" : "icon"} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
