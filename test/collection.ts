import * as fc from 'fast-check'
import { expect } from 'vitest'
import { resources, verbs } from '../src/resources/index.ts'
import type { OwnedTable, Resource } from '../src/engine/resource.ts'
import { routesFor } from '../src/engine/routes.ts'
import { leastBodyOf, type Body, type Given } from './arbitraries.ts'
import { newUser, type Answer, type Json } from './client.ts'

/** A user as {@link newUser} makes one. */
export type User = Awaited<ReturnType<typeof newUser>>

/** A resource's collection of one user: where it is and how to call it. */
export interface Collection {
  user: User
  /** Below `/api/{user_id}`: `/things`, or `/things/{thing_id}/parts` for a child. */
  path: string
  /** For each field that refers to another row, the ids it may hold: rows made for this user. */
  references: Readonly<Record<string, readonly string[]>>
  /** Below `/api/{user_id}`, where those rows are, in the same order. */
  referencePaths: Readonly<Record<string, readonly string[]>>
  /** The same, for generated bodies. */
  given: Given
  /** Calls `/api/me` + path + `suffix`. */
  call(method: string, suffix?: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Creates a row; the test fails when that is refused. */
  create(body: Body): Promise<Json>
  /** Every row of the list, page by page; `query` starts with `&`. */
  all(query?: string): Promise<Json[]>
}

/** A resource's collection for a user, a new one unless given, with the rows that must exist first. */
export async function collectionOf(resource: Resource, user?: User): Promise<Collection> {
  const owner = user ?? (await newUser())
  const above = resource.parent && (await rowOf(resource.parent.resource, owner))
  const path = `${above ?? ''}/${resource.name}`
  const referencePaths = await referencePathsOf(resource, owner)
  const references = Object.fromEntries(
    Object.entries(referencePaths).map(([name, paths]) => [name, paths.map(idIn)]),
  )
  const call: Collection['call'] = (method, suffix = '', body, headers) =>
    owner.call(method, `${path}${suffix}`, body, headers)
  return {
    user: owner,
    path,
    references,
    referencePaths,
    given: Object.fromEntries(
      Object.entries(references).map(([name, ids]) => [name, fc.constantFrom(...ids)]),
    ),
    call,
    async create(body) {
      const answer = await call('POST', '', body)
      expect(answer.status, `${JSON.stringify(body)} → ${answer.text}`).toBe(201)
      return answer.body
    },
    async all(query = '') {
      const rows: Json[] = []
      for (let cursor = ''; ;) {
        const { status, body, text } = await call('GET', `?limit=100${query}${cursor && `&cursor=${cursor}`}`)
        expect(status, text).toBe(200)
        rows.push(...body[resource.name])
        if (body.next_cursor === null) return rows
        cursor = body.next_cursor
      }
    },
  }
}

/** The path of a new row with as little in it as can be. */
async function rowOf(resource: Resource, user: User): Promise<string> {
  const rows = await collectionOf(resource, user)
  const [body = {}] = fc.sample(leastBodyOf(resource, rows), { numRuns: 1, seed: 1 })
  return `${rows.path}/${(await rows.create(body)).id}`
}

/** The paths of two new rows for each reference of a resource to choose from. */
async function referencePathsOf(resource: Resource, user: User): Promise<Record<string, string[]>> {
  const made: Record<string, string[]> = {}
  for (const { column, table } of resource.references) {
    const target = resourceOf(table)
    made[column.name] = [await rowOf(target, user), await rowOf(target, user)]
  }
  return made
}

/** The resource of a table. */
function resourceOf(table: OwnedTable): Resource {
  const resource = resources.find((one) => one.table === table)
  if (!resource) throw new Error('a reference leads out of the declared resources')
  return resource
}

/** The id that a row's path ends with. */
export function idIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** A method and a path (`/`, `/:id`, `/:id/verb`) that a resource answers. */
export interface Route {
  method: string
  path: string
}

/** Every route of a resource, those beside its declaration included. */
export function routesOf(resource: Resource): Route[] {
  const beside = verbs.filter((verb) => verb.resource === resource).flatMap((verb) => verb.routes.routes)
  const all = [...routesFor(resource).routes, ...beside].filter(({ method }) => method !== 'ALL')
  const unique = new Map(all.map(({ method, path }) => [`${method} ${path}`, { method, path }]))
  return [...unique.values()]
}

/** The routes that do something to one row beyond the five of every resource: `PATCH /:id/verb`. */
export function rowVerbsOf(resource: Resource): { method: string; suffix: string }[] {
  return routesOf(resource)
    .filter(({ path }) => /^\/:id\/[^/:]+$/.test(path))
    .map(({ method, path }) => ({ method, suffix: path.replace('/:id', '') }))
}

/** The fields that the declaration computes, or that are computed from others: sending one may change another. */
export function isCoupled(resource: Resource, name: string): boolean {
  return name in resource.derive || Boolean(resource.writable.get(name)?.generated)
}

/** Asserts a problem document (RFC 9457) of this status, with the errors' paths when they are given. */
export function expectProblem(answer: Answer, status: number, paths?: readonly string[]): void {
  expect(answer.status, answer.text).toBe(status)
  expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
  expect(answer.body).toMatchObject({
    status,
    type: expect.stringMatching(/^\/docs\/problems#[a-z_]+$/),
    title: expect.any(String),
    detail: expect.any(String),
    instance: expect.stringMatching(/^\//),
    request_id: answer.headers.get('X-Request-Id'),
  })
  if (paths) {
    const named = answer.body.errors.map((error: { path: string }) => error.path)
    expect(named, answer.text).toEqual(expect.arrayContaining([...paths]))
  }
}

/** Every declared resource: what the generated suites run over. */
export { resources }
