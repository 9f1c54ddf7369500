import { expect, test } from 'vitest'
import { memoryStore, StorageError, type CopyStore, type Status } from '../../client/src/index.ts'
import { newId } from '../client.ts'
import { countOf } from '../stored.ts'
import { newDevice, titlesIn } from './device.ts'
import { newClient } from './network.ts'

const title = 'Water the plants'

const writesOf = (sent: Request[]) => sent.filter(({ method }) => method !== 'GET')
const pathsOf = (sent: Request[]) =>
  writesOf(sent).map(({ url }) => new URL(url).pathname.split('/').slice(4).join('/'))

test('what waits is sent in bulk, and a creation takes its edits along', async () => {
  const { copy, user, sent } = await newDevice()
  const ids: string[] = []
  for (let at = 0; at < 120; at += 1) ids.push(await copy.create('tasks', { title: `Task ${at}` }))
  for (const id of ids) await copy.update('tasks', id, { priority: 'high' })
  expect(copy.pending).toHaveLength(240)
  await copy.sync()
  expect(pathsOf(sent)).toEqual(['tasks/bulk', 'tasks/bulk'])
  expect([copy.pending.length, await countOf(user.id)]).toEqual([0, 120])
  const { body } = await user.call('GET', '/tasks?limit=100&priority=high')
  expect(body.tasks).toEqual(copy.rows('tasks').slice(0, 100))
})

test('a creation, nine edits and a deletion are nothing, and can still be undone', async () => {
  const { copy, user, sent } = await newDevice()
  const id = await copy.create('tasks', { title })
  for (let edit = 1; edit <= 9; edit += 1) await copy.update('tasks', id, { title: `${title} ${edit}` })
  await copy.delete('tasks', id)
  await copy.sync()
  expect([writesOf(sent).length, copy.pending.length, titlesIn(copy)]).toEqual([0, 0, []])
  await copy.restore('tasks', id)
  expect(titlesIn(copy)).toEqual([`${title} 9`])
  await copy.sync()
  expect((await user.call('GET', `/tasks/${id}`)).body).toEqual(copy.row('tasks', id))
})

test('a deletion that was undone is nothing, and nothing moves before what it refers to', async () => {
  const { copy, user, sent, conflicts } = await newDevice()
  const { body: kept } = await user.call('POST', '/tasks', { title })
  await copy.sync()
  await copy.delete('tasks', kept.id)
  await copy.restore('tasks', kept.id)
  await copy.sync()
  expect(writesOf(sent)).toEqual([])
  await copy.create('tasks', { title: 'One' })
  await copy.delete('tasks', kept.id)
  await copy.create('tasks', { title: 'Two' })
  await copy.restore('tasks', kept.id)
  await copy.sync()
  expect(pathsOf(sent.splice(0))).toEqual(['tasks/bulk'])
  const task = await copy.create('tasks', { title: 'Paint' })
  const project = await copy.create('projects', { name: 'House' })
  await copy.update('tasks', task, { project_id: project })
  await copy.create('comments', { task_id: task, body: 'White' })
  await copy.create('comments', { task_id: task, body: 'Or green' })
  await copy.sync()
  expect(conflicts).toEqual([])
  expect(pathsOf(sent)).toEqual(['tasks', 'projects', `tasks/${task}`, `tasks/${task}/comments/bulk`])
  expect((await user.call('GET', `/tasks/${task}`)).body).toMatchObject({ project_id: project })
})

test('one that is refused holds up none of those that are sent with it', async () => {
  const { copy, user, conflicts } = await newDevice()
  for (const name of ['One', '', 'Three', '', 'Five']) await copy.create('tasks', { title: name })
  await copy.sync()
  expect(titlesIn(copy)).toEqual(['Five', 'Three', 'One'])
  expect(conflicts.map(({ problem }) => problem.type)).toEqual(['invalid_body', 'invalid_body'])
  expect((await user.call('GET', '/tasks')).body.count).toBe(3)
})

test('a bulk whose answer was lost is not done twice, also after a restart', async () => {
  const storage = memoryStore()
  const deaf = await newDevice(undefined, { storage }, ({ method }) =>
    method === 'GET' ? undefined : 'lost answer',
  )
  for (const name of ['One', 'Two', 'Three']) await deaf.copy.create('tasks', { title: name })
  await expect(deaf.copy.sync()).rejects.toMatchObject({ name: 'OfflineError' })
  expect(await countOf(deaf.user.id)).toBe(3)
  const { copy, sent, conflicts } = await newDevice(deaf.user.id, { storage })
  await copy.update('tasks', String(copy.pending[0]?.id), { title: 'One, again' })
  await copy.sync()
  expect([titlesIn(copy), conflicts]).toEqual([['Three', 'Two', 'One, again'], []])
  expect(await countOf(deaf.user.id)).toBe(3)
  expect(sent.length).toBeGreaterThan(0)
})

test('edits of different fields here and elsewhere need nobody', async () => {
  const { air, copy, user, conflicts } = await newDevice()
  const { body: task } = await user.call('POST', '/tasks', { title })
  await copy.sync()
  air.plane = true
  await copy.update('tasks', task.id, { title: 'Mine' })
  await user.call('PATCH', `/tasks/${task.id}`, { priority: 'high' })
  air.plane = false
  await copy.sync()
  expect(conflicts).toEqual([])
  expect((await user.call('GET', `/tasks/${task.id}`)).body).toMatchObject({
    title: 'Mine',
    priority: 'high',
  })
  expect(copy.row('tasks', task.id)).toMatchObject({ title: 'Mine', priority: 'high' })
})

test('a refused change is kept, over a restart too, until it is applied again or discarded', async () => {
  const storage = memoryStore()
  const { air, copy, user } = await newDevice(undefined, { storage })
  const { body: task } = await user.call('POST', '/tasks', { title })
  await copy.sync()
  air.plane = true
  await copy.update('tasks', task.id, { title: 'Mine', priority: 'low' })
  await user.call('PATCH', `/tasks/${task.id}`, { title: 'Theirs' })
  air.plane = false
  await copy.sync()
  expect([titlesIn(copy), copy.pending, copy.waiting('tasks', task.id)]).toEqual([['Theirs'], [], []])

  const { copy: again } = await newDevice(user.id, { storage })
  const [conflict] = again.refused
  expect(conflict).toMatchObject({
    change: { op: 'update', id: task.id, data: { title: 'Mine' } },
    problem: { type: 'stale_revision', status: 412 },
    base: { title },
    mine: { title: 'Mine' },
    theirs: { title: 'Theirs', priority: 'low' },
  })
  await again.applyAgain(String(conflict?.change.key))
  expect([again.refused, titlesIn(again)]).toEqual([[], ['Mine']])
  expect(again.waiting('tasks', task.id)).toHaveLength(1)
  await again.sync()
  expect((await user.call('GET', `/tasks/${task.id}`)).body).toMatchObject({ title: 'Mine', priority: 'low' })

  const id = await again.create('tasks', { title: '' })
  await again.create('tasks', { title: '' })
  await again.sync()
  const [first, second] = again.refused
  expect(first?.problem.errors[0]?.path).toBe('title')
  await again.applyAgain(String(first?.change.key), { title: 'Named' })
  await again.discard(String(second?.change.key))
  await again.sync()
  expect([again.refused, again.row('tasks', id)?.title]).toEqual([[], 'Named'])
})

test('an edit touches one row: the others stay the same objects, and only its collection’s listeners hear, once', async () => {
  const { copy, user } = await newDevice()
  await user.call('POST', '/projects', { name: 'House' })
  for (const name of ['One', 'Two', 'Three']) await user.call('POST', '/tasks', { title: name })
  await copy.sync()
  const [projects, before] = [copy.rows('projects'), copy.rows('tasks')]
  const heard: string[] = []
  copy.subscribe(() => heard.push('tasks'), 'tasks')
  copy.subscribe(() => heard.push('projects'), 'projects')
  copy.subscribe(() => heard.push('all'))
  const stored = copy.update('tasks', String(before[1]?.id), { title: 'Second' })
  // It shows before it is stored.
  expect(titlesIn(copy)).toEqual(['Three', 'Second', 'One'])
  await stored
  expect(heard).toEqual(['tasks', 'all'])
  const after = copy.rows('tasks')
  expect([after[0], after[2]]).toEqual([before[0], before[2]])
  expect(after[0] === before[0] && after[2] === before[2] && copy.rows('projects') === projects).toBe(true)
  expect(copy.waiting('tasks', String(before[1]?.id)).map(({ op }) => op)).toEqual(['update'])
  expect(copy.waiting('tasks', String(before[0]?.id))).toEqual([])
})

test('a copy says how it is doing', async () => {
  const { air, copy, user } = await newDevice()
  const seen: [Status, number | undefined][] = []
  copy.subscribe(() => seen.push([copy.status, copy.fetched]))
  await user.call('POST', '/tasks', { title })
  expect([copy.status, copy.lastSyncedAt]).toEqual(['first-sync', undefined])
  await copy.sync()
  expect(seen).toContainEqual(['ready', 1])
  expect([copy.status, copy.fetched]).toEqual(['ready', undefined])
  expect(Math.abs(Number(copy.lastSyncedAt) - Date.now())).toBeLessThan(60_000)
  air.plane = true
  await expect(copy.sync()).rejects.toThrow()
  expect(copy.status).toBe('offline')
  air.plane = false
  copy.start(1e9)
  expect(copy.status).toBe('ready')
  copy.stop()
  expect(copy.status).toBe('stopped')
})

test('a first sync that finds nothing is told, too', async () => {
  const { copy } = await newDevice()
  const seen: Status[] = []
  copy.subscribe(() => seen.push(copy.status))
  await copy.sync()
  expect(seen).toEqual(['ready'])
})

test('a first sync that breaks off goes on where it was', async () => {
  let pages = 0
  const { air, copy, user, sent } = await newDevice(undefined, {}, ({ url }) => {
    pages += Number(url.includes('/changes'))
    return pages === 2 ? 'lost request' : undefined
  })
  const operations = Array.from({ length: 100 }, (_, at) => ({ op: 'create', data: { title: `Task ${at}` } }))
  for (let batch = 0; batch < 6; batch += 1) await user.call('POST', '/tasks/bulk', { operations })
  air.plane = false
  await copy.sync().catch(() => undefined)
  await copy.sync()
  expect([copy.status, copy.rows('tasks').length]).toEqual(['ready', 600])
  expect(sent.filter(({ url }) => url.includes('/changes') && !url.includes('cursor='))).toHaveLength(1)
})

/** A store that is full from when it is said to be. */
function fullStore(): CopyStore & { full: boolean } {
  const kept = memoryStore()
  return {
    ...kept,
    full: false,
    write(...given) {
      return this.full ? Promise.reject(new DOMException('Full', 'QuotaExceededError')) : kept.write(...given)
    },
  }
}

test('a storage that is full is named, ends the syncing, and what could not be stored is not shown', async () => {
  const storage = fullStore()
  const { copy, user, sent } = await newDevice(undefined, { storage })
  await user.call('POST', '/tasks', { title })
  copy.start(1)
  storage.full = true
  await expect(copy.create('tasks', { title: 'Lost' })).rejects.toBeInstanceOf(StorageError)
  expect([copy.status, copy.pending]).toEqual(['stopped', []])
  expect(copy.error).toMatchObject({ message: expect.stringContaining('QuotaExceededError') })
  await expect.poll(() => copy.sync().catch(({ name }) => name)).toBe('StorageError')
  const asked = sent.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(sent).toHaveLength(asked)
  storage.full = false
  copy.start(1e9)
  await copy.sync()
  expect([copy.status, copy.error, titlesIn(copy)]).toEqual(['ready', undefined, [title]])
})

test('the newest rows show before the others are read, and what is written meanwhile is not lost', async () => {
  const storage = memoryStore()
  const { copy, user } = await newDevice(undefined, { storage })
  const titles = Array.from({ length: 250 }, (_, at) => `Task ${at}`)
  for (const name of titles) await copy.create('tasks', { title: name })
  await copy.sync()
  const oldest = String(copy.rows('tasks').at(-1)?.id)

  const gate = Promise.withResolvers<void>()
  let pages = 0
  const paged: CopyStore = {
    ...storage,
    async last(name, prefix, below, count) {
      pages += 1
      if (below !== undefined) await gate.promise
      const records = await storage.load(name, prefix)
      const sorted = records.toSorted(([a], [b]) => (a < b ? -1 : 1))
      return sorted.filter(([key]) => below === undefined || key < below).slice(-count)
    },
  }
  const { copy: again } = await newDevice(user.id, { storage: paged })
  expect([again.status, titlesIn(again)]).toEqual(['opening', titles.slice(-100).toReversed()])
  const newest = String(again.rows('tasks')[0]?.id)
  await again.update('tasks', newest, { title: 'Edited' })
  const renamed = again.update('tasks', oldest, { title: 'The first' })
  const synced = again.sync()
  let heard = 0
  again.subscribe(() => (heard += 1), 'tasks')
  gate.resolve()
  await again.opened
  await renamed
  await synced
  expect(titlesIn(again)).toEqual(['Edited', ...titles.slice(1, -1).toReversed(), 'The first'])
  expect([again.status, again.pending, again.refused]).toEqual(['ready', [], []])
  // Two of tasks, and one each of the others that are empty; those who listen do not hear of every page.
  expect([pages, heard < 6]).toEqual([4, true])
})

test('what was one JSON text moves over with what waits in it, in its order', async () => {
  const { user } = await newDevice()
  const { body: task } = await user.call('POST', '/tasks', { title })
  const entry = { collection: 'tasks', id: task.id, revision: task.revision, deleted: false, data: task }
  const id = newId()
  const change = { collection: 'tasks', path: '/tasks' }
  const old = {
    cursor: 'of another schema',
    rows: { [`tasks/${task.id}`]: entry },
    outbox: [
      { ...change, key: 'b', op: 'create', id, revision: 0, data: { id, title: 'Queued' } },
      { ...change, key: 'a', op: 'update', id: task.id, revision: task.revision, data: { title: 'Edited' } },
    ],
  }
  const items = new Map([[`freehold:https://api.test:me:${user.id}`, JSON.stringify(old)]])
  const storage = {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => items.set(key, value),
    removeItem: (key: string) => items.delete(key),
  }
  const { copy } = await newDevice(user.id, { storage })
  expect([titlesIn(copy).toSorted(), copy.pending.map(({ op }) => op)]).toEqual([
    ['Edited', 'Queued'],
    ['create', 'update'],
  ])
  await copy.sync()
  expect((await user.call('GET', '/tasks')).body.tasks).toEqual(copy.rows('tasks'))
  expect(titlesIn(copy).toSorted()).toEqual(['Edited', 'Queued'])
})

test('a cursor of another schema starts the copy again, and what waits stays', async () => {
  let refused = 0
  const { copy, user } = await newDevice(undefined, {}, ({ url }) => {
    if (!url.includes('cursor=') || (refused += 1) > 1) return undefined
    return Response.json({ type: '/docs/problems#cursor_expired' }, { status: 410 })
  })
  await user.call('POST', '/tasks', { title })
  await copy.sync()
  await copy.create('tasks', { title: '' })
  await copy.create('tasks', { title: 'Queued' })
  await copy.sync()
  expect([titlesIn(copy), copy.refused.length, refused]).toEqual([['Queued', title], 1, 1])
})

test('a request that is never answered is given up, and the copy goes on with the next', async () => {
  const air = { silent: true }
  const { client, user } = await newClient(() => (air.silent ? new Promise(() => {}) : undefined), {
    timeout: 2000,
    retries: 0,
  })
  await user.call('POST', '/tasks', { title })
  const copy = await client.sync()
  await expect(copy.sync()).rejects.toMatchObject({ name: 'OfflineError' })
  expect(copy.status).toBe('offline')
  air.silent = false
  await expect.poll(() => copy.sync().then(() => titlesIn(copy), String)).toEqual([title])
})

test('rows made in the same millisecond keep their order', async () => {
  const { copy } = await newDevice()
  const titles = Array.from({ length: 500 }, (_, at) => `Task ${at}`)
  await Promise.all(titles.map((name) => copy.create('tasks', { title: name })))
  expect(titlesIn(copy)).toEqual(titles.toReversed())
})

test('a device whose clock is wrong makes rows by the server’s', async () => {
  const tomorrow = new Date(Date.now() + 86_400_000)
  const { copy } = await newDevice(undefined, {}, () =>
    Response.json(
      { changes: [], cursor: 'one', has_more: false },
      { headers: { Date: tomorrow.toUTCString() } },
    ),
  )
  await copy.sync()
  const id = await copy.create('tasks', { title })
  const made = Number.parseInt(id.replace('-', '').slice(0, 12), 16)
  expect(Math.abs(made - tomorrow.getTime())).toBeLessThan(60_000)
  expect(copy.row('tasks', id)?.created_at.slice(0, 10)).toBe(tomorrow.toISOString().slice(0, 10))
})
