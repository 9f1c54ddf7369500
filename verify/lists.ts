import type { Schema } from './document.ts'
import { expectEqual, expectProblem, expectStatus, expectThat, type Row } from './expect.ts'
import { checkEach, type Rows, type Run } from './run.ts'
import { page, walk } from './walk.ts'

/** How many rows are made so that there is something to list. */
const SEEDS = 8
/** How many values of a filter are tried. */
const VALUES = 4

/** What a list holds, and in what order (contract §3, §8). */
export async function lists(run: Run): Promise<void> {
  await checkEach(run, 'lists', 'pages neither skip nor repeat a row, in every order', async (rows) => {
    await seed(rows)
    for (const query of ['', ...sortsOf(rows).map((sort) => `sort=${sort}`)]) {
      const { total, answer } = await page(rows, `limit=1&total=true${query && `&${query}`}`)
      const limit = Math.ceil((total ?? 0) / 4)
      const walked = (await walk(rows, query, Math.min(limit, 99))).map(({ id }) => id)
      expectEqual(new Set(walked).size, walked.length, 'different rows:', answer)
      expectEqual(walked.length, total, 'rows over all pages: total', answer)
      const large = (await walk(rows, query)).map(({ id }) => id)
      expectEqual(walked, large, 'the ids of larger pages,', answer)
    }
  })

  await checkEach(run, 'lists', 'Link names the next page, and the last page has none', async (rows) => {
    await seed(rows)
    const first = await page(rows, 'limit=2')
    const [, link = ''] = /^<([^>]+)>; rel="next"$/.exec(first.answer.headers.get('Link') ?? '') ?? []
    expectThat(link !== '', 'Link: <…>; rel="next"', first.answer.headers.get('Link'), first.answer)
    const followed = await run.client.get(
      new URL(link, run.client.url).href.slice(run.client.url.length),
      rows.user,
    )
    const next = await page(rows, `limit=2&cursor=${encodeURIComponent(first.next ?? '')}`)
    expectEqual(expectStatus(followed, 200).body, next.answer.body, 'the page of next_cursor,', followed)
    const last = await page(rows, `limit=1&offset=${(await walk(rows)).length - 1}`)
    expectEqual([last.next, last.answer.headers.get('Link')], [null, null], 'next_cursor, Link', last.answer)
  })

  await checkEach(run, 'lists', 'newest first unless sorted', async (rows) => {
    await seed(rows)
    const ids = (await walk(rows)).map(({ id }) => id)
    expectEqual(ids, ids.toSorted().toReversed(), 'ids from the newest to the oldest,')
  })

  await checkEach(run, 'lists', 'every sort orders by its field, nulls last', async (rows) => {
    await seed(rows)
    for (const sort of sortsOf(rows)) {
      const name = sort.replace('-', '')
      const walked = await walk(rows, `sort=${sort}`)
      const keys = walked.map((row) => keyOf(row[name], rows.resource.row[name] ?? {}))
      const known = keys.filter((key) => key !== null)
      const sorted = known.toSorted((one, other) => byBytes(one, other))
      const wanted = sort.startsWith('-') ? sorted.toReversed() : sorted
      expectEqual(keys, [...wanted, ...keys.filter((key) => key === null)], `sort=${sort}:`)
    }
  })

  await checkEach(run, 'lists', 'every filter lists just the rows that it names', async (rows) => {
    await seed(rows)
    const all = await walk(rows)
    for (const { name } of rows.resource.parameters) {
      const holds = filterOf(name, rows.resource.row)
      if (!holds) continue
      const values = new Set(all.flatMap((row) => holds.values(row)))
      for (const value of [...values].slice(0, VALUES)) {
        const found = await walk(rows, `${name}=${encodeURIComponent(value)}`)
        const wanted = all.filter((row) => holds.test(row, value))
        expectEqual(
          found.map(({ id }) => id),
          wanted.map(({ id }) => id),
          `${name}=${value} to list`,
        )
      }
    }
  })

  await checkEach(
    run,
    'lists',
    'q finds text in any case, and % and _ are ordinary characters',
    async (rows) => {
      if (!has(rows, 'q')) return
      const body = rows.make.full()
      const { id } = await rows.create(body)
      const [text = ''] = rows.make.texts.map((name) => body[name])
      const term = String(text).slice(0, 8).toUpperCase()
      const found = await walk(rows, `q=${encodeURIComponent(term)}`)
      expectThat(
        found.some((row) => row.id === id),
        `q=${term} to find ${id}`,
        found,
      )
      for (const q of [term, '%', '_', `' OR 1=1 --`]) {
        for (const row of await walk(rows, `q=${encodeURIComponent(q)}`)) {
          const texts = Object.values(row).filter((value) => typeof value === 'string')
          const holds = texts.some((value) => value.toLowerCase().includes(q.toLowerCase()))
          expectThat(holds, `q=${q} to find only rows that hold it`, row)
        }
      }
      expectProblem(await rows.send('GET', '?q='), 422, 'q')
      expectProblem(await rows.send('GET', `?q=${'x'.repeat(201)}`), 422, 'q')
    },
  )

  await checkEach(
    run,
    'lists',
    'a parameter that is unknown, repeated or out of range is a 422 that names it',
    async (rows) => {
      const wrong: [name: string, query: string][] = [
        ['no_such', 'no_such=1'],
        ['user_id', 'user_id=x'],
        ['limit', 'limit=1&limit=2'],
        ...['0', '101', '-1', 'x', '', '1e1', '0x1'].map((one): [string, string] => [
          'limit',
          `limit=${one}`,
        ]),
        ...['-1', '10001', 'x'].map((one): [string, string] => ['offset', `offset=${one}`]),
        ...['1', 'yes', 'TRUE', ''].map((one): [string, string] => ['trashed', `trashed=${one}`]),
        ['total', 'total=1'],
        ['sort', 'sort=no_such'],
        ['cursor', 'cursor=no_such'],
      ]
      for (const [name, query] of wrong) expectProblem(await rows.send('GET', `?${query}`), 422, name)
    },
  )

  await checkEach(run, 'lists', 'a cursor goes with its own list alone', async (rows) => {
    await seed(rows)
    const { next } = await page(rows, 'limit=1')
    const cursor = `cursor=${encodeURIComponent(next ?? '')}`
    const [sort] = sortsOf(rows)
    for (const other of ['trashed=true', 'offset=1', ...(sort ? [`sort=${sort}`] : [])]) {
      expectProblem(await rows.send('GET', `?${cursor}&${other}`), 422, 'cursor')
    }
  })

  await checkEach(run, 'lists', 'offset pages by number, and total counts every row', async (rows) => {
    await seed(rows)
    const all = (await walk(rows)).map(({ id }) => id)
    const some = await page(rows, 'limit=3&offset=2&total=true')
    expectEqual(
      some.rows.map(({ id }) => id),
      all.slice(2, 5),
      'rows 2 to 4:',
      some.answer,
    )
    expectEqual(some.total, all.length, 'total', some.answer)
    expectEqual((await page(rows)).total, undefined, 'total, unasked')
  })

  await checkEach(run, 'lists', 'trashed=true lists the trash alone', async (rows) => {
    const [kept, gone] = [await rows.create(), await rows.create()]
    await rows.send('DELETE', `/${gone.id}`)
    const [live, trash] = [await walk(rows), await walk(rows, 'trashed=true')].map(
      (some) => new Set(some.map(({ id }) => id)),
    )
    expectEqual([live?.has(kept.id), live?.has(gone.id)], [true, false], 'live, deleted in the list:')
    expectEqual([trash?.has(kept.id), trash?.has(gone.id)], [false, true], 'live, deleted in the trash:')
  })
}

async function seed(rows: Rows): Promise<void> {
  const { length } = (await page(rows, `limit=${SEEDS}`)).rows
  for (let n = length; n < SEEDS; n += 1) await rows.create(rows.make.nth(n))
}

function has({ resource }: Rows, name: string): boolean {
  return resource.parameters.some((one) => one.name === name)
}

function sortsOf({ resource }: Rows): string[] {
  const sort = resource.parameters.find(({ name }) => name === 'sort')
  return (sort?.schema.enum ?? []).map(String)
}

/** A value as bytes that sort as it does: enums in their order, text without the case of ASCII. */
function keyOf(value: unknown, schema: Schema): string | null {
  if (value === null || value === undefined) return null
  const order = schema.enum?.indexOf(value) ?? -1
  if (order >= 0) return String(order).padStart(4, '0')
  if (typeof value === 'number') return (value + 1e15).toFixed(6).padStart(24, '0')
  return textOf(value).replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** UTF-8 sorts as code points do, UTF-16 does not. */
function byBytes(one: string, other: string): number {
  const [left, right] = [Array.from(one), Array.from(other)]
  for (const [at, character] of left.entries()) {
    const difference = (character.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? -1)
    if (difference) return difference
  }
  return left.length - right.length
}

interface Filter {
  /** What to ask for, so that this row is found. */
  values(row: Row): string[]
  test(row: Row, value: string): boolean
}

/** What a parameter filters by, if its name says so: `status`, `tag` for `tags`, `due_before` for `due_date`. */
function filterOf(name: string, fields: Record<string, Schema>): Filter | undefined {
  if (fields[name]) {
    const values = (row: Row) => (row[name] === null ? [] : [textOf(row[name])])
    return { values, test: (row, value) => row[name] !== null && textOf(row[name]) === value }
  }
  const plural = Object.keys(fields).find((field) => field === `${name}s`)
  if (plural) {
    const items = (row: Row) => [row[plural] ?? []].flat().map(String)
    return { values: items, test: (row, value) => items(row).includes(value) }
  }
  const [, stem = '', end] = /^(\w+)_(before|after)$/.exec(name) ?? []
  const moment = Object.keys(fields).find((field) => field === stem || field.startsWith(`${stem}_`))
  if (!stem || !moment) return undefined
  return {
    values: (row) => (typeof row[moment] === 'string' ? [row[moment], row[moment].slice(0, 10)] : []),
    test(row, value) {
      const found = row[moment]
      if (typeof found !== 'string') return false
      return end === 'after'
        ? found >= value
        : found <= (value.length === 10 ? `${value}T23:59:59.999Z` : value)
    },
  }
}
