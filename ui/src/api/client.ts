import { parseJson, stringifyJson } from "@/lib/json"
import type { components, paths } from "./schema.gen"

export type Schemas = components["schemas"]

type Method = "get" | "post" | "put" | "patch" | "delete"
type Ok = 200 | 201 | 202 | 204
type Operation<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : never
type PathsWith<M extends Method> = {
  [P in keyof paths]: Operation<P, M> extends { responses: unknown } ? P : never
}[keyof paths]

type Json<R> = R extends { content: { "application/json": infer B } } ? B : undefined
type Answer<O> = O extends { responses: infer R } ? { [S in keyof R & Ok]: Json<R[S]> }[keyof R & Ok] : never
type PathOf<O> = O extends { parameters: { path: infer V } } ? { path: V } : { path?: undefined }
type QueryOf<O> = O extends { parameters: { query?: infer V } } ? { query?: V } : { query?: undefined }
/** What has a default may be left out of a body; the types do not tell which fields have one, the server does. */
type BodyOf<O> = O extends { requestBody: { content: { "application/json": infer B } } }
  ? { body: Partial<B> }
  : O extends { requestBody?: { content: { "application/json": infer B } } }
    ? { body?: Partial<B> }
    : { body?: undefined }
type Given<O> = PathOf<O> & QueryOf<O> & BodyOf<O> & { signal?: AbortSignal }

/** One thing that is wrong in what was sent; `path` is a JSON Pointer into it. */
export interface Detail {
  path: string
  message: string
}

/** What the server answered instead of doing it. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: unknown,
  ) {
    super(message)
  }

  /** The faults of a body, where it was refused for them. */
  get faults(): Detail[] {
    return this.code === "VALIDATION_ERROR" && Array.isArray(this.details) ? (this.details as Detail[]) : []
  }
}

/** The path below which the server is mounted. */
export const root = document.documentElement.dataset.root ?? ""

export const get = caller("get")
export const post = caller("post")
export const put = caller("put")
export const patch = caller("patch")
export const remove = caller("delete")

type Caller<M extends Method> = <P extends PathsWith<M>>(
  path: P,
  given: Given<Operation<P, M>>,
) => Promise<Answer<Operation<P, M>>>

function caller<M extends Method>(method: M): Caller<M> {
  const call = (path: string, { path: parameters, query, body, signal }: Loose) =>
    send(method, root + fill(path, parameters ?? {}) + search(query ?? {}), body, signal)
  return call as unknown as Caller<M>
}

interface Loose {
  path?: Record<string, string>
  query?: Record<string, unknown>
  body?: unknown
  signal?: AbortSignal
}

async function send(method: string, address: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
  const text = body === undefined ? undefined : stringifyJson(body)
  const response = await fetch(address, {
    method: method.toUpperCase(),
    signal: signal ?? null,
    ...(text !== undefined && {
      body: text,
      headers: { "Content-Type": "application/json" },
      keepalive: text.length < KEPT_ALIVE, // what was sent last is not lost with the page
    }),
  })
  return read(response)
}

/** Characters of a body that browsers send on when the page is left; they have a limit of 64 KiB for all together. */
const KEPT_ALIVE = 10_000

/** The answer's JSON, integers of any size kept exactly. Throws ApiError; without a session, leads to the login. */
export async function read(response: Response): Promise<unknown> {
  const text = await response.text()
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json") ?? false
  const value = isJson ? parseJson(text) : undefined
  if (response.ok) return value
  if (response.status === 401) goToLogin()
  const error = (value as { error?: { code: string; message: string; details?: unknown } } | undefined)?.error
  throw new ApiError(
    response.status,
    error?.code ?? "INTERNAL",
    error?.message ?? response.statusText,
    error?.details,
  )
}

function goToLogin(): void {
  const here = location.pathname + location.search
  location.assign(`${root}/login?next=${encodeURIComponent(here)}`)
}

function fill(path: string, parameters: Record<string, string>): string {
  return path.replace(/{(\w+)}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ""))
}

function search(query: Record<string, unknown>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null)
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text && `?${text}`
}
