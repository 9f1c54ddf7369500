import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Filter } from '../../src/engine/filters.ts'
import { acrossParents, type Resource } from '../../src/engine/resource.ts'
import { fullBodyOf, leastBodyOf, patchOf } from '../arbitraries.ts'
import type { Json } from '../client.ts'
import { collectionOf, resources, rowVerbsOf, type Collection } from '../collection.ts'
import { passedBy } from '../filter-model.ts'
import { recordedApp, type Recorded } from '../recorder.ts'

/** A statement that was run, and the request that ran it. */
interface Seen extends Recorded {
  request: string
}

describe.each(resources)('$name', (resource) => {
  const app = recordedApp()
  const seen = new Map<string, Seen>()
  let rows: Collection
  let live: Json
  let trashed: Json

  const send = (method: string, suffix: string, body?: unknown, headers?: Record<string, string>) =>
    sendTo(rows.path, method, suffix, body, headers)

  async function sendTo(
    at: string,
    method: string,
    suffix: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) {
    const path = `/api/me${at}${suffix}`
    const answer = await app.fetch(method, path, body, { ...rows.user.authorization, ...headers })
    const trips = app.taken()
    expect(trips, `round trips of ${method} ${path}: ${answer.text}`).toHaveLength(1)
    for (const statement of trips.flat()) {
      if (!seen.has(statement.sql)) seen.set(statement.sql, { ...statement, request: `${method} ${suffix}` })
    }
    return answer
  }

  /** A filter that the live row passes, as a part of a query. */
  const filtered = (one: Filter) => `&${one.parameter}=${encodeURIComponent(passedBy(one, live))}`

  // Two equal rows with a value in every field and two with as little as can be, alive and in the trash: whatever the
  // filters, a page of one ends before another row, and before one whose sort key is null.
  beforeAll(async () => {
    rows = await collectionOf(resource)
    const full = sample(fullBodyOf(resource, rows))
    const least = sample(leastBodyOf(resource, rows))
    for (const body of [full, full, least, least]) {
      live = await rows.create(body)
      trashed = await rows.create(body)
      await rows.call('DELETE', `/${trashed.id}`)
    }
    live = (await rows.all())[2]
  })

  test('a list reads by the owner alone, whatever its filters, order, page, search and total', async () => {
    const sorts = ['', ...resource.sort.flatMap((name) => [`&sort=${name}`, `&sort=-${name}`])]
    let deep = 0
    for (const filters of singlesAndPairs(resource.filter)) {
      const filter = filters.map(filtered).join('')
      for (const sort of sorts) {
        for (const trash of ['', '&trashed=true']) {
          for (let cursor = ''; ;) {
            const { status, text, body } = await send('GET', `?limit=1${filter}${sort}${trash}${cursor}`)
            expect(status, text).toBe(200)
            if (!body.next_cursor) break
            cursor = `&cursor=${body.next_cursor}`
            deep += 1
          }
        }
        for (const more of [
          '&total=true',
          '&offset=1',
          ...searches(resource),
          ...searches(resource, '&total=true'),
        ]) {
          const { status, text } = await send('GET', `?limit=1${filter}${sort}${more}`)
          expect(status, text).toBe(200)
        }
      }
    }
    expect(deep).toBeGreaterThan(sorts.length)
  })

  test('a page in the order of an index begins where the last one ended, and sorts nothing', async () => {
    let deep = 0
    const filters = ['', ...resource.filter.filter(({ index }) => !index).map(filtered)]
    for (const [column, index] of resource.sorted) {
      for (const sort of [column, `-${column}`]) {
        for (const filter of filters) {
          for (let cursor = ''; ;) {
            const path = `/api/me${rows.path}?limit=1&sort=${sort}${filter}${cursor}`
            const { status, text, body } = await app.fetch('GET', path, undefined, rows.user.authorization)
            expect(status, text).toBe(200)
            const list = app
              .taken()
              .flat()
              .find(({ sql }) => sql.includes('ORDER BY'))
            const plan = list ? await planOf(list) : []
            expect(plan.join('\n'), path).not.toContain('TEMP B-TREE')
            const found = plan.filter((detail) => detail.startsWith(`SEARCH ${resource.name} USING INDEX`))
            expect(found, path).not.toEqual([])
            for (const detail of found) {
              expect(detail).toContain(`USING INDEX ${index} (user_id=?`)
              if (cursor) expect(detail).toMatch(new RegExp(`(?:${column}|<expr>)[<=>]\\?`))
            }
            if (!body.next_cursor) break
            cursor = `&cursor=${body.next_cursor}`
            deep += 1
          }
        }
      }
    }
    expect(deep).toBeGreaterThanOrEqual(resource.sorted.size)
  })

  test('a list across parents reads by the owner alone, too', async () => {
    const across = acrossParents(resource)
    for (const one of across ? [undefined, ...across.filter] : []) {
      const filter = one ? filtered(one) : ''
      for (const sort of ['', ...resource.sort.map((name) => `&sort=${name}`)]) {
        for (const more of ['', '&trashed=true', '&total=true', ...searches(resource)]) {
          await sendTo(`/${resource.name}`, 'GET', `?limit=1${filter}${sort}${more}`)
        }
      }
    }
  })

  test('every other request reaches its row by the owner and the id', async () => {
    const patch = sample(patchOf(resource, rows))
    const full = sample(fullBodyOf(resource, rows))
    const { body: made } = await send('POST', '', full)
    for (const headers of [{}, { 'If-Match': '"1"' }]) {
      await send('GET', `/${made.id}`, undefined, headers)
      await send('PUT', `/${made.id}`, full, headers)
      await send('PATCH', `/${made.id}`, patch, headers)
      for (const { method, suffix } of rowVerbsOf(resource)) {
        await send(method, `/${made.id}${suffix}`, undefined, headers)
      }
      await send('DELETE', `/${made.id}`, undefined, headers)
    }
    await send('POST', '', sample(leastBodyOf(resource, rows)))
  })

  // Last, over the statements of the tests above.
  test('no statement scans a table or reaches rows other than by their owner', async () => {
    expect(seen.size).toBeGreaterThan(0)
    const faults: string[] = []
    for (const { sql, parameters, request } of seen.values()) {
      for (const detail of await planOf({ sql, parameters })) {
        const missing = missingIndex(resource, detail)
        if (missing) faults.push(`${request}: ${detail}: ${missing}`)
      }
    }
    expect(faults).toEqual([])
  })

  afterAll(() => console.info(`${resource.name}: ${seen.size} statements explained`))
})

test('a scan of the table and a search by anything but the owner are told from what is allowed', () => {
  const [resource] = resources
  if (!resource) throw new Error('no resource is declared')
  const { name } = resource
  for (const detail of [
    `SCAN ${name}`,
    `SCAN ${name} USING INDEX x`,
    `SEARCH ${name} USING INDEX x (deleted_at>?)`,
    `SEARCH ${name} USING PRIMARY KEY (user_hash=?)`,
    'SCAN erased_users',
  ]) {
    expect(missingIndex(resource, detail)).toContain(`(user_id, `)
  }
  for (const detail of [
    `SEARCH ${name} USING PRIMARY KEY (user_id=?)`,
    `SEARCH ${name} USING COVERING INDEX x (user_id=? AND a>?)`,
    'SEARCH erased_users USING PRIMARY KEY (user_hash=?)',
    'SCAN json_each VIRTUAL TABLE INDEX 1:',
    'SCAN (subquery-2)',
    'USE TEMP B-TREE FOR ORDER BY',
    'CORRELATED SCALAR SUBQUERY 1',
  ]) {
    expect(missingIndex(resource, detail)).toBeUndefined()
  }
})

/** The lines of a statement's query plan. */
async function planOf({ sql, parameters }: Recorded): Promise<string[]> {
  const explained = env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...parameters)
  return (await explained.all<{ detail: string }>()).results.map(({ detail }) => detail)
}

/** What a line of a query plan lacks; undefined for one that reads one owner's rows at most. */
function missingIndex(resource: Resource, detail: string): string | undefined {
  const [, how, table] = /^(SCAN|SEARCH) (\S+)/.exec(detail) ?? []
  // The rows of a subquery were found by another line of the plan.
  if (!how || /VIRTUAL TABLE|CONSTANT ROW|^SCAN \(subquery-\d+\)$/.test(detail)) return undefined
  if (how === 'SEARCH' && /\(user_id=\?/.test(detail)) return undefined
  // A digest of the owner stands for them there: one row at most.
  if (detail === 'SEARCH erased_users USING PRIMARY KEY (user_hash=?)') return undefined
  return `add an index to ${table ?? resource.name} on (user_id, …the columns of this request)`
}

function singlesAndPairs(filters: readonly Filter[]): Filter[][] {
  const pairs = filters.flatMap((one, at) => filters.slice(at + 1).map((other) => [one, other]))
  return [[], ...filters.map((one) => [one]), ...pairs]
}

function searches(resource: Resource, more = ''): string[] {
  return resource.search.length ? [`&q=x${more}`, `&q=${encodeURIComponent('é')}${more}`] : []
}

function sample<Value>(arbitrary: fc.Arbitrary<Value>): Value {
  const [value] = fc.sample(arbitrary, { numRuns: 1, seed: 1 })
  return value as Value
}
