const KEY = "taskyard.presets."

export type Presets = Record<string, string>

/** The inputs that somebody has kept for a task in this browser, as JSON by their names. */
export function readPresets(key: string): Presets {
  try {
    return JSON.parse(localStorage.getItem(KEY + key) ?? "{}") as Presets
  } catch {
    return {}
  }
}

export function writePresets(key: string, presets: Presets): void {
  localStorage.setItem(KEY + key, JSON.stringify(presets))
}
