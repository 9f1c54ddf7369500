import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Filter } from '../../src/engine/filters.ts'
import type { Resource } from '../../src/engine/resource.ts'
import { bodyOf } from '../arbitraries.ts'
import type { Json } from '../client.ts'
import { collectionOf, expectProblem, resources, type Collection } from '../collection.ts'
import { filterValues, passes } from '../filter-model.ts'
import { runs } from '../runs.ts'

/** What a list is asked for, apart from its page. */
interface Wanted {
  filters: Map<Filter, string>
  sort: string | undefined
  q: string | undefined
  trashed: boolean
}

// The model: lists as the contract describes them, over plain objects, knowing nothing of SQL.

function modelOf(resource: Resource, rows: readonly Json[], { filters, sort, q }: Wanted): Json[] {
  const wanted = rows.filter(
    (row) =>
      [...filters].every(([filter, value]) => passes(filter, value, row)) &&
      (q === undefined || resource.search.some(({ name }) => holds(row[name], q))),
  )
  const name = sort?.replace('-', '')
  const direction = sort === undefined || sort.startsWith('-') ? -1 : 1
  return wanted.toSorted((one, other) => {
    if (name && one[name] !== other[name]) {
      if (one[name] === null) return 1
      if (other[name] === null) return -1
      const by = compare(rank(resource, name, one[name]), rank(resource, name, other[name]))
      if (by) return by * direction
    }
    return (one.id < other.id ? -1 : 1) * direction
  })
}

function holds(text: string | null, q: string): boolean {
  const lower = (one: string) => Array.from(one, (letter) => inCase(letter, 'lower')).join('')
  return text !== null && lower(text).includes(lower(q))
}

/** A letter in the other case, when that is one letter and leads back. */
function inCase(letter: string, how: string): string {
  const other = how === 'upper' ? letter.toUpperCase() : letter.toLowerCase()
  const back = how === 'upper' ? other.toLowerCase() : other.toUpperCase()
  return back === letter ? other : letter
}

/** What a value sorts by: an enum by its place, text without regard to ASCII case. */
function rank(resource: Resource, name: string, value: unknown): number | number[] {
  const values = resource.visible.find((column) => column.name === name)?.enumValues
  if (values?.length) return values.indexOf(String(value))
  if (typeof value !== 'string') return Number(value)
  const lower = value.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
  return Array.from(lower, (letter) => letter.codePointAt(0) ?? 0)
}

function compare(one: number | number[], other: number | number[]): number {
  if (!Array.isArray(one) || !Array.isArray(other)) return Number(one) - Number(other)
  const at = one.findIndex((point, index) => point !== other[index])
  if (at === -1) return one.length - other.length
  return (one[at] ?? 0) - (other[at] ?? -1)
}

describe.each(resources)('$name', (resource) => {
  const sorts = [undefined, ...resource.sort.flatMap((name) => [name, `-${name}`])]

  /** A collection with random rows, alive and in the trash, as its lists show them. */
  async function filled(seed: number) {
    const rows = await collectionOf(resource)
    const bodies = fc.sample(bodyOf(resource, rows), { numRuns: 26, seed })
    for (const [at, body] of bodies.entries()) {
      const row = await rows.create(body)
      if (at % 4 === 3) await rows.call('DELETE', `/${row.id}`)
      if (at % 4 === 2) await rows.call('PUT', `/${row.id}`, bodies[at - 1])
    }
    return { rows, live: await rows.all(), trash: await rows.all('&trashed=true') }
  }

  function searchesOf(rows: readonly Json[]): fc.Arbitrary<string> {
    const texts = rows.flatMap((row) => resource.search.map(({ name }) => row[name] ?? '')).filter(Boolean)
    const part = fc.tuple(fc.constantFrom(...texts, 'x'), fc.nat(3), fc.integer({ min: 1, max: 4 })).map(
      ([text, from, length]) =>
        Array.from(text)
          .slice(from, from + length)
          .join('') || 'x',
    )
    const cased = fc.tuple(part, fc.constantFrom('same', 'upper', 'lower')).map(([text, how]) => {
      if (how === 'same') return text
      return Array.from(text, (letter) => inCase(letter, how)).join('')
    })
    return fc.oneof(cased, fc.constantFrom('a', 'É', '%', '_', '"', '🌍', 'no such text'))
  }

  function queryOf({ filters, sort, q, trashed }: Wanted): string {
    const query = new URLSearchParams()
    for (const [filter, value] of filters) query.set(filter.parameter, value)
    if (sort) query.set('sort', sort)
    if (q !== undefined) query.set('q', q)
    if (trashed) query.set('trashed', 'true')
    return query.size ? `&${query.toString()}` : ''
  }

  async function expectPages(rows: Collection, model: readonly Json[], wanted: Wanted, limit: number) {
    const query = queryOf(wanted)
    const byCursor: Json[] = []
    let suffix = `?limit=${limit}${query}&total=true`
    for (;;) {
      const { status, body, headers, text } = await rows.call('GET', suffix)
      expect(status, `${suffix}: ${text}`).toBe(200)
      const page = body[resource.name]
      expect(body.count).toBe(page.length)
      expect(body.total, suffix).toBe(model.length)
      byCursor.push(...page)
      if (body.next_cursor === null) {
        expect(headers.has('Link')).toBe(false)
        break
      }
      expect(page).toHaveLength(limit)
      const next = new URL(
        /^<(.*)>; rel="next"$/.exec(headers.get('Link') ?? '')?.[1] ?? '',
        'https://api.test',
      )
      expect(next.searchParams.get('cursor')).toBe(body.next_cursor)
      suffix = next.search
      expect(byCursor.length, `${suffix} goes on`).toBeLessThanOrEqual(model.length)
    }
    expect(byCursor, query).toEqual(model)

    const offset = Math.floor(model.length / 2)
    const byOffset = await rows.call('GET', `?limit=${limit}&offset=${offset}${query}`)
    expect(byOffset.body, query).toMatchObject({ [resource.name]: model.slice(offset, offset + limit) })
    expect(byOffset.body).not.toHaveProperty('total')
    expect(byOffset.body.next_cursor === null).toBe(offset + limit >= model.length)
  }

  test('every filter under every order gives the rows of the model, page by page', async () => {
    const { rows, live, trash } = await filled(1)
    expect(live.length).toBeGreaterThan(trash.length)
    const matched = new Set<Filter>()
    for (const [at, sort] of sorts.entries()) {
      for (const filter of [undefined, ...resource.filter]) {
        const [value = ''] = filter
          ? fc.sample(filterValues(resource, filter, live), { numRuns: 1, seed: at })
          : []
        const filters = new Map(filter ? [[filter, value]] : [])
        const wanted = { filters, sort, q: undefined, trashed: false }
        const model = modelOf(resource, live, wanted)
        if (filter && model.length && model.length < live.length) matched.add(filter)
        await expectPages(rows, model, wanted, 1 + (at % 9))
      }
      const wanted = { filters: new Map(), sort, q: undefined, trashed: true }
      await expectPages(rows, modelOf(resource, trash, wanted), wanted, 3)
    }
    expect([...matched], 'filters that told rows apart').toEqual(expect.arrayContaining([...resource.filter]))
  })

  test('any filters, order, search and page together give the rows of the model', async () => {
    const { rows, live, trash } = await filled(2)
    const all = [...live, ...trash]
    const maxLength = Math.min(resource.filter.length, 3)
    const several = fc
      .subarray([...resource.filter], { maxLength })
      .chain((filters) =>
        fc.tuple(
          ...filters.map((filter) => fc.tuple(fc.constant(filter), filterValues(resource, filter, all))),
        ),
      )
    const wanted: fc.Arbitrary<Wanted> = fc.record({
      filters: several.map((filters) => new Map(filters)),
      sort: fc.constantFrom(...sorts),
      q: resource.search.length
        ? fc.option(searchesOf(all), { nil: undefined, freq: 2 })
        : fc.constant(undefined),
      trashed: fc.nat(3).map((chance) => chance === 0),
    })
    await fc.assert(
      fc.asyncProperty(wanted, fc.constantFrom(1, 2, 3, 5, 8, 100), async (one, limit) => {
        const model = modelOf(resource, one.trashed ? trash : live, one)
        await expectPages(rows, model, one, limit)
      }),
      { numRuns: runs(12) },
    )
  })

  test('a search finds every text by any part of it, in either case', async () => {
    const { rows, live } = await filled(3)
    if (!resource.search.length) return expectProblem(await rows.call('GET', '?q=x'), 422, ['q'])
    return await fc.assert(
      fc.asyncProperty(searchesOf(live), async (q) => {
        const wanted = { filters: new Map(), sort: undefined, q, trashed: false }
        await expectPages(rows, modelOf(resource, live, wanted), wanted, 100)
      }),
      { numRuns: runs(8) },
    )
  })

  test('a walk by cursor meets every row that is not changed exactly once, while others come and go', async () => {
    const { rows, live } = await filled(4)
    for (const [at, sort] of sorts.entries()) {
      const bodies = fc.sample(bodyOf(resource, rows), { numRuns: 10, seed: at })
      const [gone, ...others] = live.filter((_, index) => index % 5 === at % 5)
      const met: Json[] = []
      let suffix = `?limit=4${sort ? `&sort=${sort}` : ''}`
      for (let cursor = ''; ;) {
        const { body } = await rows.call('GET', `${suffix}${cursor}`)
        met.push(...body[resource.name])
        if (body.next_cursor === null) break
        cursor = `&cursor=${body.next_cursor}`
        const fresh = bodies.pop()
        if (fresh) await rows.create(fresh)
        if (gone) await rows.call('DELETE', `/${gone.id}`)
      }
      const kept = live.filter((row) => row !== gone)
      if (gone) live.splice(live.indexOf(gone), 1)
      const ids = met.map(({ id }) => id)
      for (const { id } of [...kept, ...others])
        expect(
          ids.filter((one) => one === id),
          suffix,
        ).toHaveLength(1)
      expect(new Set(ids).size).toBe(ids.length)
    }
  })

  test('a cursor is refused under another order or other filters, with an offset, or when it was touched', async () => {
    const { rows } = await filled(5)
    const { body } = await rows.call('GET', '?limit=2')
    const cursor: string = body.next_cursor
    const others = [
      ...resource.sort.map((name) => `&sort=${name}`),
      '&trashed=true',
      '&offset=0',
      ...(resource.search.length ? ['&q=x'] : []),
    ]
    const touched = [
      `${cursor}A`,
      cursor.slice(0, -1),
      cursor.slice(1),
      'x',
      '',
      '%00',
      'bnVsbA',
      'W10',
      'e30',
      `${cursor}=`,
    ]
    const queries = [...others.map((more) => `${cursor}${more}`), ...touched]
    for (const query of queries) {
      const refused = await rows.call('GET', `?cursor=${query}`)
      expect(refused.status, `${query} ${refused.text}`).toBe(422)
      expect(refused.body.errors).toMatchObject([{ path: 'cursor' }])
    }
    expect((await rows.call('GET', `?limit=100&cursor=${cursor}`)).status).toBe(200)
  })
})
