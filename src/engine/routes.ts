import { UUID_V7 } from '../ids.ts'
import type { Context, Hono } from 'hono'
import * as z from 'zod/mini'
import type { Row } from '../d1/database.ts'
import { bulkSchema, failedOperation, toOperation } from './bulk.ts'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { etagOf, ifMatch, matches, noneMatch } from './conditional.ts'
import { idempotencyKey } from './idempotency-key.ts'
import { otherMethods } from '../http/methods.ts'
import { validJson, validQuery } from '../http/validators.ts'
import { Routes } from '../http/routes.ts'
import type { IdempotencyKey } from './idempotency.ts'
import { Problem } from '../problems.ts'
import { encodeCursor, listQueryFor, toListQuery } from './query.ts'
import { acrossParents, writable, type Resource } from './resource.ts'
import type { Values } from '../d1/statement.ts'
import { staleRevision, storeFor, type Done, type Scope, type Store } from './store.ts'

/** An extra route beside a resource's own: it acts on one row, takes no body, and answers with the row. */
export interface Verb {
  resource: Resource
  routes: Hono<App>
  /** How the OpenAPI document shows it: `/{id}/complete`, `patch`, `complete`. */
  path: string
  method: 'patch' | 'post'
  name: string
  summary: string
  description: string
}

/** The routes of every collection, each at its path, and the list of each child collection across its parents. */
export function collectionsFor(resources: readonly Resource[]): Hono<App> {
  const collections = new Routes()
  for (const resource of resources) {
    collections.route(resource.path, routesFor(resource))
    const across = acrossParents(resource)
    if (across) collections.route(across.path, listFor(across))
  }
  return collections
}

function listFor(resource: Resource): Hono<App> {
  const routes = new Routes()
  list(resource, routes)
  otherMethods(routes, '/')
  return routes
}

/** Adds `GET /` to the routes of a collection. */
function list(resource: Resource, routes: Hono<App>): void {
  // Lazy, because a Worker's start has to build what every resource declares, and an isolate lists few of them.
  routes.get('/', validQuery(z.lazy(() => listQueryFor(resource))), async (c) => {
    const { ancestors } = scopeOf(c, resource)
    const query = toListQuery(resource, c.req.valid('query'), Object.values(ancestors).join('/'))
    const { rows, next, total } = await storeOf(c, resource).list(query)
    const cursor = next ? encodeCursor(query, next) : null
    if (cursor) c.header('Link', `<${nextPage(c.req.url, cursor)}>; rel="next"`)
    return c.json({
      [resource.name]: rows,
      count: rows.length,
      next_cursor: cursor,
      ...(total !== undefined && { total }),
    })
  })
}

/** The routes of a collection, for mounting at its path: the same handlers serve every resource. */
export function routesFor(resource: Resource): Hono<App> {
  const routes = new Routes()

  list(resource, routes)

  routes.post('/', validJson(z.lazy(resource.input.create)), async (c) => {
    const { id, ...body } = c.req.valid('json')
    const chosen = typeof id === 'string' ? id : undefined
    const key = await keyOf(c, resource, 'create')
    const done = await storeOf(c, resource).create(writable(resource, body), chosen, key)
    return answerDone(c, done)
  })

  routes.post(
    '/bulk',
    validJson(
      z.lazy(() => bulkSchema(resource)),
      { extras: failedOperation },
    ),
    async (c) => {
      const received = c.req.valid('json').operations
      const operations = received.map((operation, at) => toOperation(resource, operation, at))
      const key = await keyOf(c, resource, 'bulk')
      const { results, replayed } = await storeOf(c, resource).bulk(operations, key)
      if (replayed) c.header('Idempotent-Replayed', 'true')
      return c.json({
        results: results.map(({ status, id, row }) => ({
          status,
          id,
          ...(row && { [resource.singular]: row }),
        })),
      })
    },
  )
  otherMethods(routes, '/bulk')

  routes.get('/:id', async (c) => {
    const row = await storeOf(c, resource).get(rowId(c))
    if (!matches(c, etagOf(row))) throw staleRevision(row)
    return noneMatch(c, etagOf(row)) ? answer(c, row) : notModified(c, row)
  })

  routes.put('/:id', validJson(z.lazy(resource.input.replace)), async (c) => {
    const values = writable(resource, sameId(c, c.req.valid('json')))
    return answer(c, await storeOf(c, resource).replace(rowId(c), values, ifMatch(c)))
  })

  routes.patch('/:id', validJson(z.lazy(resource.input.update)), async (c) => {
    const values = writable(resource, sameId(c, c.req.valid('json')))
    if (Object.keys(values).length === 0) throw new Problem('empty_patch')
    return answer(c, await storeOf(c, resource).update(rowId(c), values, ifMatch(c)))
  })

  routes.delete('/:id', async (c) => {
    await storeOf(c, resource).remove(rowId(c), ifMatch(c))
    return c.body(null, 204)
  })

  routes.post('/:id/restore', async (c) => {
    const key = await keyOf(c, resource, 'restore', rowId(c))
    return answerDone(c, await storeOf(c, resource).restore(rowId(c), ifMatch(c), key))
  })

  otherMethods(routes, '/')
  otherMethods(routes, '/:id')
  otherMethods(routes, '/:id/restore')
  return routes
}

/** The store of a resource for the owner and the rows that this request's path names. */
export function storeOf(c: Context<App>, resource: Resource): Store {
  return storeFor(resource, scopeOf(c, resource), c.get('database'), readConfig(c.env).QUOTA_ROWS)
}

/** The `{id}` of the path. Throws `row_not_found` for an id that no row can have. */
export function rowId(c: Context<App>): string {
  return idIn(c, 'id')
}

function scopeOf(c: Context<App>, { parent }: Resource): Scope {
  const ancestors: Record<string, string> = {}
  for (let above = parent; above; above = above.resource.parent) {
    ancestors[above.column.name] = idIn(c, above.column.name)
  }
  return { owner: c.get('owner'), caller: c.get('identity').userId, ancestors }
}

function idIn(c: Context<App>, parameter: string): string {
  const id = c.req.param(parameter) ?? ''
  if (!UUID_V7.test(id)) throw new Problem('row_not_found')
  return id
}

/**
 * Answers with a row and its `ETag`; caches may keep it, for asking again whether it still holds. A write that prefers
 * it so is a 204 without the row (RFC 7240 §4.2).
 */
export function answer(c: Context<App>, row: Row, status: 200 | 201 = 200): Response {
  conditional(c, row)
  const preference = c.req.header('Prefer') ?? ''
  if (
    /^(GET|HEAD)$/.test(c.req.method) ||
    !/(?:^|[,;])\s*return\s*=\s*"?minimal"?\s*(?:[,;]|$)/i.test(preference)
  ) {
    return c.json(row, status)
  }
  c.header('Preference-Applied', 'return=minimal')
  return c.body(null, 204)
}

/** Answers a POST that wrote one row, or did so before under the same key. Throws `row_gone`. */
function answerDone(c: Context<App>, { results: [result], replayed }: Done): Response {
  if (replayed) c.header('Idempotent-Replayed', 'true')
  if (!result?.row) throw new Problem('row_gone')
  if (result.status !== 201) return answer(c, result.row)
  c.header('Location', `${new URL(c.req.url).pathname.replace(/\/$/, '')}/${result.id}`)
  return answer(c, result.row, 201)
}

/** The request's `Idempotency-Key`, if any, for this verb on these rows. */
async function keyOf(
  c: Context<App>,
  resource: Resource,
  verb: string,
  id?: string,
): Promise<IdempotencyKey | undefined> {
  const { owner, caller, ancestors } = scopeOf(c, resource)
  // Those who share rows do not share keys.
  const whose = caller === owner ? [] : [caller]
  return idempotencyKey(c, [...whose, verb, resource.name, ...Object.values(ancestors), ...(id ? [id] : [])])
}

function notModified(c: Context<App>, row: Row): Response {
  conditional(c, row)
  return c.body(null, 304)
}

function conditional(c: Context<App>, row: Row): void {
  c.header('ETag', etagOf(row))
  c.header('Cache-Control', 'private, no-cache')
}

/** A body may repeat the id of its path, and no other. */
function sameId(c: Context<App>, body: Values): Values {
  if (body.id !== undefined && body.id !== c.req.param('id')) {
    const message = 'differs from the id in the path'
    throw new Problem('invalid_body', { errors: [{ path: 'id', code: 'invalid_value', message }] })
  }
  return body
}

function nextPage(current: string, cursor: string): string {
  const url = new URL(current)
  url.searchParams.delete('offset')
  url.searchParams.set('cursor', cursor)
  return url.pathname + url.search
}
