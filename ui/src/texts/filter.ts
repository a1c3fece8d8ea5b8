const among = (names: string[] | undefined) => (names ?? []).join(", ")

/** What is wrong with a term of a filter. */
export const filter = {
  twice: (key: string) => `“${key}” stands here a second time`,
  noField: (key: string, known: string[]) => `“${key}” is no field; there are ${among(known)}`,
  noState: (name: string, known: string[] | undefined) => `“${name}” is no state; there are ${among(known)}`,
  parent: "a parent is named by its id, a number",
  trace: "a trace is named by its 32 hex digits",
  oneOf: (known: string[]) => `this is one of ${among(known)}`,
  queue: (known: string[]) => `a queue is one of ${among(known)}`,
  attempt: "attempts are written like >=2, and count what has begun",
  age: "an age is written like <2h or >7d, with s, m, h or d",
  took: "a run time is written like >5s or <100ms, with ms, s, m, h or d",
}
