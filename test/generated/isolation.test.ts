import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bodyOf, fieldsOf, patchOf, type Body, type Given } from '../arbitraries.ts'
import { newId, newUser, type Answer, type Json } from '../client.ts'
import { collectionOf, resources, rowVerbsOf, type Collection } from '../collection.ts'
import { filterValues } from '../filter-model.ts'
import { runs } from '../runs.ts'

const USERS = 3
/** How many sequences are tried at once, and at most until each kind of request has succeeded. */
const FEW = 5
const MANY = 50

/** One random request; numbers choose among what exists when its turn comes. */
interface Step {
  actor: number
  /** How the path names its user, and which other one it may be. */
  named: 'me' | 'self' | 'encoded' | 'v1' | 'other' | 'other encoded' | 'odd'
  other: number
  /** For a child: whether the path leads through a parent of the actor's own. */
  under: 'own' | 'other'
  verb: number
  /** Whose row, and which. */
  target: 'own' | 'other' | 'new' | 'other encoded'
  row: number
  body: Body
  lies: Partial<Record<'id' | 'user_id' | 'revision' | 'deleted_at' | 'unknown', boolean>>
  query: [name: string, value: string][]
  cursor: 'none' | 'own' | 'other'
  condition: 'none' | 'own' | 'other' | 'any'
}

/** What one user has, as the answers to its own requests say. */
interface Model {
  rows: Collection
  canary: string
  live: Map<string, Json>
  trash: Map<string, Json>
  /** Query strings of the pages that followed, cursor and all. */
  pages: string[]
}

describe.each(resources)('$name', (resource) => {
  const logged: string[] = []
  beforeEach(() => {
    for (const level of ['debug', 'log', 'info', 'warn', 'error'] as const) {
      vi.spyOn(console, level).mockImplementation((...parts) => void logged.push(parts.join(' ')))
    }
  })
  afterEach(() => vi.restoreAllMocks())

  const verbs = [
    ...['GET', 'GET', 'GET', 'POST', 'POST', 'POST'].map((method) => ({ method, suffix: '' })),
    // A whole body is the least likely to be a valid one.
    ...['GET', 'PUT', 'PUT', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'POST'].map((method) => ({
      method,
      suffix: '/:id',
    })),
    ...rowVerbsOf(resource).map(({ method, suffix }) => ({ method, suffix: `/:id${suffix}` })),
    { method: 'POST', suffix: '/bulk' },
  ]

  // The bodies are made before the users are, so what marks a user's texts is put in place of this.
  const MARK = 'canary--------'
  // And these what its references refer to.
  const OWN = '00000000-0000-7000-8000-000000000001'
  const OTHERS = '00000000-0000-7000-8000-000000000002'
  const references = resource.references.map(({ column }) => column.name)
  const given: Given = Object.fromEntries(
    references.map((name) => [name, fc.constantFrom(OWN, OWN, OWN, OWN, OTHERS)]),
  )
  const parameters = [...listParameters()]
  const step: fc.Arbitrary<Step> = fc.record(
    {
      actor: fc.nat(USERS - 1),
      named: fc.constantFrom('me', 'me', 'me', 'self', 'encoded', 'v1', 'other', 'other encoded', 'odd'),
      other: fc.integer({ min: 1, max: USERS - 1 }),
      under: fc.constantFrom('own', 'own', 'own', 'other'),
      verb: fc.nat(verbs.length - 1),
      target: fc.constantFrom('own', 'own', 'own', 'other', 'other', 'other encoded', 'new'),
      row: fc.nat(),
      body: fc.oneof(bodyOf(resource, { mark: MARK, given }), patchOf(resource, { mark: MARK, given })),
      lies: fc.record(
        {
          id: fc.boolean(),
          user_id: fc.boolean(),
          revision: fc.boolean(),
          deleted_at: rarely(),
          unknown: rarely(),
        },
        { requiredKeys: [], noNullPrototype: true },
      ),
      query: fc.array(fc.oneof(...parameters), { maxLength: 3 }),
      cursor: fc.constantFrom('none', 'none', 'own', 'other'),
      condition: fc.constantFrom('none', 'none', 'none', 'own', 'other', 'any'),
    },
    { noNullPrototype: true },
  )

  function* listParameters(): Generator<fc.Arbitrary<[string, string]>> {
    const named = (name: string, values: fc.Arbitrary<string>) => fc.tuple(fc.constant(name), values)
    yield named('limit', fc.constantFrom('1', '2', '100'))
    yield named('offset', fc.constantFrom('0', '1', '3'))
    yield named('trashed', fc.constantFrom('true', 'false'))
    yield named('total', fc.constantFrom('true', 'false'))
    yield named('user_id', fc.constantFrom('someone', '%'))
    if (resource.sort.length) {
      yield named('sort', fc.constantFrom(...resource.sort.flatMap((name) => [name, `-${name}`])))
    }
    if (resource.search.length) yield named('q', fc.constantFrom('a', 'x', 'c', '%', '-', `' OR 1=1 --`))
    for (const filter of resource.filter) {
      const ids = given[filter.column.name]
      yield named(filter.parameter, ids ? ids.map(String) : filterValues(resource, filter))
    }
  }

  function rarely(): fc.Arbitrary<boolean> {
    return fc.nat(9).map((chance) => chance === 0)
  }

  test('no answer and no log line of one user ever holds what is another’s, and nobody changes another’s rows', async () => {
    const outcomes = new Map<string, number>()
    // What the sequences are about: every verb that succeeds, and what belongs to others.
    const wanted = [
      ...verbs
        .filter(({ method, suffix }) => suffix !== '/:id' || method !== 'POST')
        .map(({ method, suffix }) => `${method} ${suffix} 2xx`),
      'others row 404',
      'others path 403',
      'others cursor',
    ]
    const left = () => wanted.filter((outcome) => !outcomes.has(outcome))
    const sequences = fc.array(step, { minLength: 38, maxLength: 42, size: 'max' })
    const property = fc.asyncProperty(sequences, async (steps) => {
      const models = await Promise.all(Array.from({ length: USERS }, newModel))
      for (const one of steps) {
        const outcome = await take(one, models)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
      for (const model of models) await expectUntouched(model)
    })
    // A few at a time, until all of it came about.
    for (let done = 0; done < runs(FEW) || (left().length > 0 && done < MANY); done += FEW) {
      await fc.assert(property, { numRuns: FEW, endOnFailure: true, asyncReporter: report })
    }
    expect(left(), 'never came about').toEqual([])
  })

  async function newModel(): Promise<Model> {
    const rows = await collectionOf(resource, await newUser(`canary-user-${crypto.randomUUID()}`))
    const canary = `k${crypto
      .randomUUID()
      .replaceAll('-', '')
      .slice(0, MARK.length - 1)}`
    const made: Model = { rows, canary, live: new Map(), trash: new Map(), pages: [] }
    for (const body of fc.sample(bodyOf(resource, { mark: canary, given: rows.given }), 4)) {
      const row = await rows.create(body)
      const pile = made.trash.size ? made.live : made.trash
      if (pile === made.trash) await rows.call('DELETE', `/${row.id}`)
      pile.set(row.id, row)
    }
    followed(made, await rows.call('GET', '?limit=1'))
    return made
  }

  /** Sends the request of a step, checks the answer and the log, keeps the model, and says how it went. */
  async function take(one: Step, models: readonly Model[]): Promise<string> {
    const actor = models[one.actor] as Model
    const other = models[(one.actor + one.other) % USERS] as Model
    const verb = verbs[one.verb] as { method: string; suffix: string }
    const id = targetOf(one, actor, other)
    const path = refer(pathOf(one, actor, other, verb.suffix, id), actor, other)
    const writes = `${verb.method} ${verb.suffix}`
    const single = ['POST ', 'PUT /:id', 'PATCH /:id'].includes(writes)
      ? bodyFor(one, actor, other)
      : undefined
    const body = verb.suffix === '/bulk' ? bulkOf(bodyFor(one, actor, other), id) : single
    const headers = conditionFor(one, actor, other, id)

    logged.length = 0
    const answer = await actor.rows.user.request(verb.method, path, body, headers)
    const sent = decodeURIComponent(path) + JSON.stringify(body ?? '') + JSON.stringify(headers)
    const what = `${verb.method} ${path} ${JSON.stringify(body)} ${JSON.stringify(headers)} → ${answer.status}`
    expect(answer.status, `${what} ${answer.text}`).toBeLessThan(500)
    expect(logged.length, 'log lines').toBeGreaterThan(0)
    for (const model of models) {
      if (model === actor) continue
      for (const text of [answer.text, headersOf(answer), ...logged, cursorOf(answer)]) {
        for (const secret of secretsOf(model, actor)) {
          if (text.includes(secret) && !sent.includes(secret))
            throw new Error(`${what} leaks ${secret}: ${text}`)
        }
      }
    }

    const foreign = one.named.startsWith('other') || one.named === 'odd'
    if (foreign) expect(answer.status, what).toBe(403)
    const astray = Boolean(resource.parent) && one.under === 'other'
    const there = actor.live.has(id) || (verb.suffix === '/:id/restore' && actor.trash.has(id))
    const missing = (/^\/(:id|bulk)/.test(verb.suffix) && !there) || astray
    if (missing && !foreign) expect([404, 400, 405, 422], what).toContain(answer.status)
    if (answer.status < 300) {
      const strange = references.flatMap((name) => other.rows.references[name] ?? [])
      for (const ref of strange) expect(JSON.stringify(body ?? ''), what).not.toContain(ref)
    }
    keep(actor, verb, id, answer, what)
    if (foreign) return 'others path 403'
    if (missing && answer.status === 404 && other.live.has(id)) return 'others row 404'
    if (one.cursor === 'other' && path.includes('cursor=')) return 'others cursor'
    if (astray && answer.status === 404) return 'others parent 404'
    return `${verb.method} ${verb.suffix} ${answer.status < 300 ? '2xx' : answer.status}`
  }

  function targetOf({ target, row, verb }: Step, actor: Model, other: Model): string {
    const pile = verbs[verb]?.suffix === '/:id/restore' ? 'trash' : 'live'
    const own = [...actor[pile].keys()]
    const others = [...other[pile].keys()]
    const from = target === 'own' ? own : target === 'new' ? [] : others
    return from[row % from.length] ?? newId()
  }

  function pathOf(one: Step, actor: Model, other: Model, suffix: string, id: string): string {
    const users: Record<Step['named'], string> = {
      me: '/api/me',
      self: `/api/${actor.rows.user.id}`,
      encoded: `/api/${encoded(actor.rows.user.id)}`,
      v1: `/api/v1/${actor.rows.user.id}`,
      other: `/api/${other.rows.user.id}`,
      'other encoded': `/api/v1/${encoded(other.rows.user.id)}`,
      odd: `/api/${actor.rows.user.id}%2F..%2F${other.rows.user.id}`,
    }
    const rest = suffix.replace('/:id', `/${one.target === 'other encoded' ? encoded(id) : id}`)
    const pages = one.cursor === 'none' || suffix ? [] : (one.cursor === 'own' ? actor : other).pages
    const query = suffix ? '' : new URLSearchParams(Object.fromEntries(one.query)).toString()
    const search = pages[one.row % pages.length] ?? (query && `?${query}`)
    const { path } = (one.under === 'own' ? actor : other).rows
    return `${users[one.named]}${resource.parent ? path : actor.rows.path}${rest}${search}`
  }

  function bodyFor(one: Step, actor: Model, other: Model): Body {
    const [theirs = newId()] = other.live.keys()
    const lies: Body = {
      id: theirs,
      user_id: other.rows.user.id,
      revision: 1,
      deleted_at: '2026-01-01T00:00:00.000Z',
      unknown: 1,
    }
    const told = Object.entries(lies).filter(([name]) => one.lies[name as keyof Step['lies']])
    const text = JSON.stringify({ ...one.body, ...Object.fromEntries(told) })
    return JSON.parse(refer(text, actor, other).replaceAll(MARK, actor.canary)) as Body
  }

  /** One update of the row and one creation, all or nothing. */
  function bulkOf({ id, ...data }: Body, target: string): Body {
    const create = { op: 'create', data: { ...data, ...(id !== undefined && { id }) } }
    return { operations: [{ op: 'update', id: target, data }, create] }
  }

  function conditionFor(one: Step, actor: Model, other: Model, id: string): Record<string, string> {
    if (one.condition === 'none') return {}
    if (one.condition === 'any') return { 'If-Match': '*', 'If-None-Match': '"1"' }
    const rows = (one.condition === 'own' ? actor : other).live
    const revision = (rows.get(id) ?? [...rows.values()].at(0))?.revision
    return { 'If-Match': `"${revision ?? 1}"` }
  }

  function keep(
    actor: Model,
    verb: { method: string; suffix: string },
    id: string,
    answer: Answer,
    what: string,
  ) {
    if (answer.status >= 300 || verb.method === 'HEAD') return
    const { user } = actor.rows
    if (verb.method === 'GET' && verb.suffix === '') {
      for (const row of answer.body[resource.name]) {
        expect(row, what).toMatchObject({ user_id: user.id })
        expect(actor.live.has(row.id) || actor.trash.has(row.id), what).toBe(true)
      }
      followed(actor, answer)
      return
    }
    if (verb.suffix === '/bulk') {
      for (const { status, [resource.singular]: row } of answer.body.results) {
        expect(row, what).toMatchObject({ user_id: user.id })
        actor.live.set(row.id, row)
        if (status === 201) actor.trash.delete(row.id)
      }
      return
    }
    if (verb.method === 'DELETE') {
      actor.trash.set(id, actor.live.get(id))
      actor.live.delete(id)
      return
    }
    expect(answer.body, what).toMatchObject({ user_id: user.id })
    if (verb.method === 'GET') expect(answer.body, what).toEqual(actor.live.get(id))
    actor.live.set(answer.body.id, answer.body)
    actor.trash.delete(answer.body.id)
  }

  function refer(text: string, actor: Model, other: Model): string {
    const [name = ''] = references
    const [own = OWN] = actor.rows.references[name] ?? []
    const [others = OTHERS] = other.rows.references[name] ?? []
    return text.replaceAll(OWN, own).replaceAll(OTHERS, others)
  }

  /** Notes where the next page is, for any user to try. */
  function followed(model: Model, { headers }: Answer): void {
    const [, next] = /<[^?>]*(\?[^>]*)>/.exec(headers.get('Link') ?? '') ?? []
    if (next) model.pages.push(next)
  }

  async function expectUntouched(model: Model): Promise<void> {
    const byId = (rows: Iterable<Json>) => [...rows].toSorted((one, other) => (one.id < other.id ? -1 : 1))
    expect(byId(await model.rows.all())).toEqual(byId(model.live.values()))
    const written = (row: Json) => [row.id, ...fieldsOf(resource).map(({ name }) => row[name])]
    const trash = await model.rows.all('&trashed=true')
    expect(byId(trash).map(written)).toEqual(byId(model.trash.values()).map(written))
  }

  /** What only this user may see: its name, its canary and the ids of its rows that the actor has not taken for its own. */
  function secretsOf(model: Model, actor: Model): string[] {
    const ids = [...model.live.keys(), ...model.trash.keys()]
    const above = model.rows.path.split('/').filter((part) => part.length === OWN.length)
    return [
      model.canary,
      model.rows.user.id,
      ...above,
      ...Object.values(model.rows.references).flat(),
      ...ids.filter((id) => !actor.live.has(id) && !actor.trash.has(id)),
    ]
  }
})

/** The request at fault, and how to run its sequence again, without the sequence itself. */
async function report({ failed, seed, counterexamplePath, errorInstance }: fc.RunDetails<[Step[]]>) {
  const again = `{ seed: ${seed}, path: "${counterexamplePath}" }`
  if (failed) throw new Error(`${again} ${String(errorInstance)}`, { cause: errorInstance })
}

function encoded(text: string): string {
  return Array.from(text, (letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')
}

function headersOf({ headers }: Answer): string {
  return JSON.stringify([...headers])
}

/** What the cursor of a page says, since it is only encoded. */
function cursorOf({ body }: Answer): string {
  const cursor: unknown = body?.next_cursor
  return typeof cursor === 'string' ? atob(cursor.replaceAll('-', '+').replaceAll('_', '/')) : ''
}
