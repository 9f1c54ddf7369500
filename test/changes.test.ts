import * as fc from 'fast-check'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createApp } from '../src/app.ts'
import { resources, verbs } from '../src/resources/index.ts'
import { newUser, type Json } from './client.ts'
import { expectProblem, type User } from './collection.ts'
import { applyRightly, histories, live, type Apply } from './devices.ts'
import { recordedApp } from './recorder.ts'
import { runs } from './runs.ts'
import { problemOf } from './stored.ts'
import { inObjects } from './rows.ts'

const DAY = 86_400_000

async function made(user: User, path: string, body: Json): Promise<Json> {
  const answer = await user.call('POST', path, body)
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

async function changes(user: User, query = ''): Promise<Json> {
  const { status, body, text } = await user.call('GET', `/changes${query}`)
  expect(status, text).toBe(200)
  return body
}

/** A few rows in every collection, and what `/changes` must say of them, without the trash. */
async function someRows(user: User, each = 2) {
  const rows: Record<string, Json[]> = { projects: [], tasks: [], comments: [] }
  for (let at = 0; at < each; at += 1) {
    const project = await made(user, '/projects', { name: `Project ${at}` })
    const task = await made(user, '/tasks', { title: `Task ${at}`, project_id: project.id, tags: ['a'] })
    const comment = await made(user, `/tasks/${task.id}/comments`, { body: `Comment ${at}` })
    rows.projects?.push(project)
    rows.tasks?.push(task)
    rows.comments?.push(comment)
  }
  return rows
}

const entriesOf = (collection: string, rows: Json[]) =>
  rows.map((data) => ({ collection, id: data.id, deleted: false, revision: data.revision, data }))

function read(cursor: string): Json {
  return JSON.parse(atob(cursor.replaceAll('-', '+').replaceAll('_', '/')))
}

function write(position: unknown): string {
  return btoa(JSON.stringify(position)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

describe('the changes', () => {
  test('of a new user are none, with a cursor to go on from', async () => {
    const user = await newUser()
    const { status, headers, body } = await user.call('GET', '/changes')
    expect([status, headers.get('Cache-Control')]).toEqual([200, 'no-store'])
    expect(body).toEqual({ changes: [], cursor: expect.any(String), has_more: false })
    const task = await made(user, '/tasks', { title: 'One' })
    expect((await changes(user, `?cursor=${body.cursor}`)).changes).toEqual(entriesOf('tasks', [task]))
  })

  test('hold every row of every collection whole, in the order of its revisions', async () => {
    const user = await newUser()
    const rows = await someRows(user)
    const { changes: all, has_more } = await changes(user)
    expect(has_more).toBe(false)
    for (const [collection, expected] of Object.entries(rows)) {
      const own = all.filter((entry: Json) => entry.collection === collection)
      expect(own).toEqual(entriesOf(collection, expected))
    }
    expect(all).toHaveLength(6)
  })

  test('are each row’s latest state once, however often it changed', async () => {
    const user = await newUser()
    const [one, two] = [
      await made(user, '/tasks', { title: 'One' }),
      await made(user, '/tasks', { title: 'Two' }),
    ]
    const { cursor } = await changes(user)
    let last: Json
    for (const title of ['a', 'b', 'c']) last = (await user.call('PATCH', `/tasks/${one.id}`, { title })).body
    expect((await changes(user, `?cursor=${cursor}`)).changes).toEqual(entriesOf('tasks', [last]))
    expect((await changes(user)).changes).toEqual(entriesOf('tasks', [two, last]))
  })

  test('say what was deleted, without its data, and what was restored, with it', async () => {
    const user = await newUser()
    const { id, revision } = await made(user, '/tasks', { title: 'One' })
    const { cursor } = await changes(user)
    await user.call('DELETE', `/tasks/${id}`)
    const deleted = await changes(user, `?cursor=${cursor}`)
    expect(deleted.changes).toEqual([
      { collection: 'tasks', id, deleted: true, revision: expect.any(Number) },
    ])
    expect(deleted.changes[0].revision).toBeGreaterThan(revision)
    expect((await changes(user)).changes).toEqual(deleted.changes)
    const restored = await user.call('POST', `/tasks/${id}/restore`)
    const back = await changes(user, `?cursor=${deleted.cursor}`)
    expect(back.changes).toEqual(entriesOf('tasks', [restored.body]))
    await user.call('POST', `/tasks/${id}/restore`)
    expect((await changes(user, `?cursor=${back.cursor}`)).changes).toEqual([])
  })

  test('keep the children of a trashed parent, and restoring the parent adds no entry for them', async () => {
    const user = await newUser()
    const task = await made(user, '/tasks', { title: 'Parent' })
    const comment = await made(user, `/tasks/${task.id}/comments`, { body: 'Child' })
    const { cursor } = await changes(user)
    await user.call('DELETE', `/tasks/${task.id}`)
    const comments = (await changes(user)).changes.filter((entry: Json) => entry.collection === 'comments')
    expect(comments).toEqual(entriesOf('comments', [comment]))
    await user.call('POST', `/tasks/${task.id}/restore`)
    const since = (await changes(user, `?cursor=${cursor}`)).changes
    expect(since.map((entry: Json) => [entry.collection, entry.deleted])).toEqual([['tasks', false]])
  })

  test('are the user’s own, whoever’s cursor is sent', async () => {
    const [user, other] = [await newUser(), await newUser()]
    const rows = await someRows(user)
    const theirs = await someRows(other)
    const { cursor } = await changes(other, '?limit=1')
    for (const query of ['', `?cursor=${cursor}`]) {
      const { text } = await user.call('GET', `/changes${query}`)
      expect(text).not.toContain(other.id)
      for (const { id } of Object.values(theirs).flat()) expect(text).not.toContain(id)
    }
    expect((await changes(user)).changes).toHaveLength(Object.values(rows).flat().length)
    expectProblem(await user.request('GET', `/api/${other.id}/changes`), 403)
  })

  test('answer nothing but GET', async () => {
    const user = await newUser()
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const refused = await user.call(method, '/changes', {})
      expectProblem(refused, 405)
      expect(refused.headers.get('Allow')).toBe('GET, HEAD')
    }
  })
})

describe('pages of changes', () => {
  test.each([1, 2, 5, 6, 7, 500])('of %i end with has_more false and hold every row once', async (limit) => {
    const user = await newUser()
    await someRows(user)
    const whole = (await changes(user)).changes
    const paged: Json[] = []
    let page: Json = { cursor: '', has_more: true }
    for (let pages = 0; page.has_more; pages += 1) {
      expect(pages).toBeLessThan(10)
      page = await changes(user, `?limit=${limit}${page.cursor && `&cursor=${page.cursor}`}`)
      expect(page.changes.length).toBeLessThanOrEqual(limit)
      paged.push(...page.changes)
    }
    expect(paged).toEqual(whole)
    expect((await changes(user, `?cursor=${page.cursor}`)).changes).toEqual([])
  })

  test('are of 100 unless told otherwise and of 500 at most', async () => {
    const user = await newUser()
    const operations = Array.from({ length: 100 }, () => ({ op: 'create', data: { title: 'x' } }))
    for (let at = 0; at < 6; at += 1) await user.call('POST', '/tasks/bulk', { operations })
    const first = await changes(user)
    expect([first.changes.length, first.has_more]).toEqual([100, true])
    const rest = await changes(user, `?limit=500&cursor=${first.cursor}`)
    expect([rest.changes.length, rest.has_more]).toEqual([500, false])
  })

  test('read the rows they have and at most one a collection more, in one round trip', async () => {
    const [user, app] = [await newUser(), recordedApp()]
    await someRows(user, 12)
    let cursor = ''
    for (const limit of [1, 10, 13, 3, 100, 100]) {
      const path = `/api/me/changes?limit=${limit}${cursor && `&cursor=${cursor}`}`
      const { body, headers } = await app.fetch('GET', path, undefined, user.authorization)
      expect(Number(headers.get('x-d1-rows-read'))).toBeLessThanOrEqual(
        body.changes.length + resources.length,
      )
      expect(headers.get('x-d1-rows-written')).toBe('0')
      const [trip, ...more] = app.taken()
      // What guards a token without a session, unless an object knows it, then the page.
      expect([trip?.length, more.length]).toEqual([inObjects ? 1 : 2, 0])
      cursor = body.cursor
    }
    expect((await changes(user, `?cursor=${cursor}`)).changes).toEqual([])
  })

  test('cover more collections than D1 takes queries in one compound', async () => {
    const many = Array.from({ length: 10 }, () => resources).flat()
    const [user, app] = [await newUser(), recordedApp(createApp(many, verbs))]
    await someRows(user, 2)
    const once = (await changes(user, '')).changes
    const { status, body, text } = await app.fetch(
      'GET',
      '/api/me/changes?limit=500',
      undefined,
      user.authorization,
    )
    expect(status, text).toBe(200)
    expect(body.changes).toHaveLength(10 * once.length)
    const page = await app.fetch('GET', '/api/me/changes?limit=1', undefined, user.authorization)
    expect(Number(page.headers.get('x-d1-rows-read'))).toBeLessThanOrEqual(1 + many.length)
  })

  test.each([
    'limit=0',
    'limit=501',
    'limit=',
    'limit=1e2',
    'limit=-1',
    'limit=1&limit=2',
    'offset=1',
    'since=1',
  ])('with %s are a 422 that names it and costs no round trip', async (query) => {
    const [user, app] = [await newUser(), recordedApp()]
    const refused = await app.fetch('GET', `/api/me/changes?${query}`, undefined, user.authorization)
    expectProblem(refused, 422, [query.replace(/=.*/, '')])
    expect(app.taken()).toEqual([])
  })
})

describe('the cursor of changes', () => {
  const at = Date.now()
  const seen = [{ collection: 'tasks', revision: 1 }]
  const good = { at, seen }
  test.each<[name: string, cursor: string]>([
    ['empty', ''],
    ['no base64url', '***'],
    ['padded', `${write(good)}=`],
    ['cut off', write(good).slice(0, -3)],
    ['with something behind it', `${write(good)}AAAA`],
    ['no JSON', btoa('nonsense')],
    ['not UTF-8', '_____w'],
    ['null', write(null)],
    ['a list', write([good])],
    ['a number', write(1)],
    ['without a date', write({ seen })],
    ['without positions', write({ at })],
    ['with a date as text', write({ at: String(at), seen })],
    ['with a fraction of a date', write({ at: at + 0.5, seen })],
    ['with positions as an object', write({ at, seen: { tasks: 1 } })],
    ['with a revision as text', write({ at, seen: [{ collection: 'tasks', revision: '1' }] })],
    ['with a revision that is no integer', write({ at, seen: [{ collection: 'tasks', revision: 1.5 }] })],
    ['with a revision beyond integers', write({ at, seen: [{ collection: 'tasks', revision: 2 ** 60 }] })],
    ['with a collection that is no text', write({ at, seen: [{ collection: 1, revision: 1 }] })],
    ['with another key', write({ ...good, user_id: 'x' })],
    ['with another key in a position', write({ at, seen: [{ ...seen[0], user_id: 'x' }] })],
    ['with its keys in another order', write({ seen, at })],
    ['with white space', btoa(JSON.stringify(good, null, 1)).replace(/=+$/, '')],
  ])('that is %s is a 422 that names it and costs no round trip', async (_, cursor) => {
    const [user, app] = [await newUser(), recordedApp()]
    const refused = await app.fetch('GET', `/api/me/changes?cursor=${cursor}`, undefined, user.authorization)
    expectProblem(refused, 422, ['cursor'])
    expect(app.taken()).toEqual([])
  })

  test('of a list is none of changes, and the other way round', async () => {
    const user = await newUser()
    await someRows(user)
    const { next_cursor } = (await user.call('GET', '/tasks?limit=1')).body
    expectProblem(await user.call('GET', `/changes?cursor=${next_cursor}`), 422, ['cursor'])
    const { cursor } = await changes(user)
    expectProblem(await user.call('GET', `/tasks?cursor=${cursor}`), 422, ['cursor'])
  })

  test('is a 410 once the fields of a collection it has rows of are others, and good again when they are back', async () => {
    const user = await newUser()
    await made(user, '/projects', { name: 'Seen' })
    const ask = (declared: typeof resources, cursor = '') =>
      recordedApp(createApp(declared, [])).fetch(
        'GET',
        `/api/me/changes${cursor && `?cursor=${cursor}`}`,
        undefined,
        user.authorization,
      )
    const reshaped = (name: string) =>
      resources.map((one) => (one.name === name ? { ...one, visible: one.visible.slice(0, -1) } : one))
    const { cursor } = (await ask(resources)).body
    expect((await ask(reshaped('tasks'), cursor)).status).toBe(200)
    const answer = await ask(reshaped('projects'), cursor)
    expectProblem(answer, 410)
    expect(problemOf(answer)[1]).toBe('cursor_expired')
    const whole = read(cursor)
    const unshaped = whole.seen.map(({ collection, revision }: Json) => ({ collection, revision }))
    expectProblem(await ask(resources, write({ ...whole, seen: unshaped })), 410)
    expect((await ask(resources, cursor)).status).toBe(200)
  })

  test('works for 30 days after the last complete sync, then it is a 410', async () => {
    const user = await newUser()
    const task = await made(user, '/tasks', { title: 'One' })
    const { at: date, seen: positions } = read((await changes(user)).cursor)
    const fresh = write({ at: date - 30 * DAY + 60_000, seen: positions })
    expect((await changes(user, `?cursor=${fresh}`)).changes).toEqual([])
    const old = await user.call(
      'GET',
      `/changes?cursor=${write({ at: date - 30 * DAY - 1, seen: positions })}`,
    )
    expectProblem(old, 410)
    expect(problemOf(old)[1]).toBe('cursor_expired')
    expect(old.headers.get('x-d1-rows-read')).toBe('0')
    expect((await changes(user)).changes).toEqual(entriesOf('tasks', [task]))
  })

  test('keeps its date until the last page of a sync, so that a slow one cannot outlive the trash', async () => {
    const user = await newUser()
    await someRows(user)
    const { seen: none } = read((await changes(user, '?limit=1')).cursor)
    const old = Date.now() - 29 * DAY
    const first = await changes(user, `?limit=1&cursor=${write({ at: old, seen: none })}`)
    expect([first.has_more, read(first.cursor).at]).toEqual([true, old])
    const last = await changes(user, `?cursor=${first.cursor}`)
    expect(last.has_more).toBe(false)
    expect(read(last.cursor).at).toBeGreaterThan(old + 28 * DAY)
  })

  test('goes on working when a collection is added, or removed', async () => {
    const user = await newUser()
    const rows = await someRows(user, 1)
    const cursor = write({ at: Date.now(), seen: [{ collection: 'dropped', revision: 5 }] })
    expect((await changes(user, `?cursor=${cursor}`)).changes).toHaveLength(Object.values(rows).flat().length)
  })
})

describe('three devices that write, delete, restore and sync, each offline at times', () => {
  /** In how many histories each of the bugs below has to be caught; most are in the first few. */
  const HISTORIES = 210

  beforeEach(() => {
    // A line for each of some 10 000 requests takes longer than the requests.
    for (const level of ['info', 'warn'] as const) {
      const spy = vi.spyOn(console, level).mockImplementation(() => {})
      onTestFinished(() => spy.mockRestore())
    }
  })

  const seen = { rows: 0, deleted: 0 }

  /** Whether all copies are equal to the server after each history; fast-check prints the seed of one that fails. */
  function agreement(apply: Apply) {
    return fc.asyncProperty(histories, async (history) => {
      const { copies, server } = await live(history, apply)
      seen.rows += server.length
      seen.deleted += server.filter(({ deleted }) => deleted).length
      const whole = JSON.stringify(server)
      return copies.every((copy) => JSON.stringify(copy) === whole)
    })
  }

  test('hold the same as the server when all is quiet', async () => {
    const times = runs(40)
    await fc.assert(agreement(applyRightly), { numRuns: times })
    expect(seen.rows).toBeGreaterThan(times)
    expect(seen.deleted).toBeGreaterThan(times / 10)
  })

  const bugs: Record<string, Apply> = {
    'starts behind the revision after its last one': (copy, page) => {
      const { at, seen: positions } = read(applyRightly(copy, page))
      const moved = positions.map((position: Json) => ({ ...position, revision: position.revision + 1 }))
      return write({ at, seen: moved })
    },
    'drops the last entry of a page when more follow': (copy, page) =>
      applyRightly(copy, { ...page, changes: page.has_more ? page.changes.slice(0, -1) : page.changes }),
    'does not hear of deletions': (copy, page) =>
      applyRightly(copy, { ...page, changes: page.changes.filter(({ deleted }) => !deleted) }),
    'keeps what it knew first': (copy, page) => {
      const known = new Map(copy)
      const cursor = applyRightly(copy, page)
      for (const [key, entry] of known) copy.set(key, entry)
      return cursor
    },
  }

  test.each(Object.entries(bugs))('a device that %s is caught', async (_, apply) => {
    const { failed, errorInstance } = await fc.check(agreement(apply), {
      numRuns: HISTORIES,
      endOnFailure: true,
    })
    expect([failed, String(errorInstance)]).toEqual([true, expect.stringContaining('returning false')])
  })
})
