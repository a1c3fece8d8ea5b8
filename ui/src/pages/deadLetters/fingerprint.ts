import type { Task } from "@/api/tasks"

/** Dead letters with one cause: the same task, code and message but for numbers, ids and quoted words. */
export interface Group {
  fingerprint: string
  title: string
  definition: string
  code: string
  /** The message of the newest. */
  message: string
  tasks: Task[]
}

/** What is the same in messages that differ in details only. */
export function normalised(message: string): string {
  return message
    .replaceAll(/"[^"]*"|'[^']*'|“[^”]*”|`[^`]*`/g, "…")
    .replaceAll(/\b[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}\b/gi, "#")
    .replaceAll(/\d+(?:[.,:]\d+)*/g, "#")
}

/** The groups, the largest first; the tasks of each in their order. */
export function groupByCause(tasks: Task[]): Group[] {
  const groups = new Map<string, Group>()
  for (const task of tasks) {
    const code = String(task.error?.code ?? "")
    const message = String(task.error?.message ?? "")
    const fingerprint = `${task.taskDefinitionId}\n${code}\n${normalised(message)}`
    const group = groups.get(fingerprint)
    if (group) group.tasks.push(task)
    else
      groups.set(fingerprint, {
        fingerprint,
        title: task.title,
        definition: task.taskDefinitionId,
        code,
        message,
        tasks: [task],
      })
  }
  return [...groups.values()].sort((a, b) => b.tasks.length - a.tasks.length)
}
