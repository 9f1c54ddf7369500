import { expect, test } from 'vitest'
import { countOf } from '../stored.ts'
import { newDevice, titlesIn } from './device.ts'
import { newClient } from './network.ts'
import { ask } from '../rows.ts'

const title = 'Water the plants'

test('a copy has what the server has, newest first, and follows it', async () => {
  const { copy, client, user } = await newDevice()
  const operations = Array.from({ length: 100 }, (_, at) => ({ op: 'create', data: { title: `Task ${at}` } }))
  for (let batch = 0; batch < 6; batch += 1) await user.call('POST', '/tasks/bulk', { operations })
  await copy.sync()
  const listed: string[] = []
  for await (const task of client.list('/tasks', { params: { query: { limit: 100 } } })) listed.push(task.id)
  expect(copy.rows('tasks').map(({ id }) => id)).toEqual(listed)
  expect(listed).toHaveLength(600)
  const [first, second] = listed
  await user.call('PATCH', `/tasks/${first}`, { title: 'Changed' })
  await user.call('DELETE', `/tasks/${second}`)
  await copy.sync()
  expect(titlesIn(copy)[0]).toBe('Changed')
  expect(copy.row('tasks', String(second))).toBeUndefined()
  expect(copy.rows('tasks')).toHaveLength(599)
})

test('the rows under a deleted one are hidden, and come back with it', async () => {
  const { copy, user } = await newDevice()
  const { body: task } = await user.call('POST', '/tasks', { title })
  await user.call('POST', `/tasks/${task.id}/comments`, { body: 'Twice' })
  await copy.sync()
  expect(copy.rows('comments').map(({ body }) => body)).toEqual(['Twice'])
  await user.call('DELETE', `/tasks/${task.id}`)
  await copy.sync()
  expect(copy.rows('comments')).toEqual([])
  await user.call('POST', `/tasks/${task.id}/restore`)
  await copy.sync()
  expect(copy.rows('comments').map(({ body }) => body)).toEqual(['Twice'])
})

test('a copy whose cursor has expired starts again, without what was purged meanwhile', async () => {
  let expired = 0
  const { copy, user } = await newDevice(undefined, {}, (request) => {
    if (!expired || !request.url.includes('cursor=')) return undefined
    expired -= 1
    return Response.json({ type: '/docs/problems#cursor_expired' }, { status: 410 })
  })
  const { body: gone } = await user.call('POST', '/tasks', { title: 'Purged' })
  await user.call('POST', '/tasks', { title: 'Kept' })
  await copy.sync()
  await ask(user.id, 'DELETE FROM tasks WHERE user_id = ? AND id = ?', user.id, gone.id)
  await user.call('POST', '/tasks', { title: 'New' })
  expired = 1
  const seen: string[][] = []
  copy.subscribe(() => seen.push(titlesIn(copy)))
  await copy.sync()
  expect(expired).toBe(0)
  // At no time is anything missing that is there.
  expect(seen).toEqual([['New', 'Kept']])
})

test('writes made offline show at once and arrive in order, each once', async () => {
  const { air, copy, user } = await newDevice()
  air.plane = true
  const id = await copy.create('tasks', { title })
  expect(copy.rows('tasks')).toEqual([
    expect.objectContaining({
      id,
      title,
      status: 'pending',
      completed: false,
      tags: [],
      revision: 0,
      user_id: user.id,
    }),
  ])
  await copy.update('tasks', id, { title: 'Water them again', completed: true })
  const comment = await copy.create('comments', { task_id: id, body: 'Twice' })
  const gone = await copy.create('tasks', { title: 'A mistake' })
  await copy.delete('tasks', gone)
  expect(titlesIn(copy)).toEqual(['Water them again'])
  await expect(copy.sync()).rejects.toMatchObject({ name: 'OfflineError' })
  expect([copy.pending.length, copy.error]).toEqual([5, expect.objectContaining({ name: 'OfflineError' })])
  air.plane = false
  await copy.sync()
  expect([copy.pending, copy.error]).toEqual([[], undefined])
  const { body } = await user.call('GET', '/tasks')
  expect(body.tasks).toEqual(copy.rows('tasks'))
  expect(body.tasks).toEqual([expect.objectContaining({ id, title: 'Water them again', completed: true })])
  expect((await user.call('GET', `/tasks/${id}/comments/${comment}`)).status).toBe(200)
  // What was made by mistake and deleted again was nothing: it never got there.
  expect(await countOf(user.id)).toBe(2)
})

test('a device that hears no answers and starts again does nothing twice', async () => {
  const storage = new Map<string, string>()
  const kept = {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => storage.set(key, value),
    removeItem: (key: string) => storage.delete(key),
  }
  const deaf = await newDevice(undefined, { storage: kept }, ({ method }) =>
    method === 'GET' ? undefined : 'lost answer',
  )
  const { id: user, call } = deaf.user
  const { body: other } = await call('POST', '/tasks', { title: 'Theirs' })
  await deaf.copy.sync()
  const id = await deaf.copy.create('tasks', { title })
  await deaf.copy.update('tasks', other.id, { title: 'Ours' })
  await deaf.copy.delete('tasks', id)
  await deaf.copy.restore('tasks', id)
  for (let start = 0; start < 6; start += 1) {
    const { client } = await newClient(
      ({ method }, count) => (method === 'GET' || count > 0 ? undefined : 'lost answer'),
      {
        id: user,
        retries: 0,
      },
    )
    const again = await client.sync({
      storage: kept,
      onConflict: ({ problem }) => expect(problem).toBeUndefined(),
    })
    await again.sync().catch(() => {})
    if (!again.pending.length) break
  }
  const last = await newDevice(user, { storage: kept })
  await last.copy.sync()
  expect(last.copy.pending).toEqual([])
  expect(titlesIn(last.copy).toSorted()).toEqual(['Ours', title])
  expect(await countOf(user)).toBe(2)
})

test('a change of what somebody else has changed is a conflict, and their row stays', async () => {
  const { air, copy, user, conflicts } = await newDevice()
  const { body: task } = await user.call('POST', '/tasks', { title })
  await copy.sync()
  air.plane = true
  await copy.update('tasks', task.id, { title: 'Mine' })
  await copy.update('tasks', task.id, { priority: 'high' })
  await user.call('PATCH', `/tasks/${task.id}`, { title: 'Theirs' })
  air.plane = false
  await copy.sync()
  expect(conflicts).toEqual([
    {
      change: expect.objectContaining({ op: 'update', id: task.id, data: { title: 'Mine' } }),
      problem: expect.objectContaining({ type: 'stale_revision' }),
      base: expect.objectContaining({ title, priority: 'medium' }),
      mine: expect.objectContaining({ title: 'Mine', priority: 'medium' }),
      theirs: expect.objectContaining({ title: 'Theirs', priority: 'high' }),
    },
  ])
  expect(copy.row('tasks', task.id)).toMatchObject({ title: 'Theirs', priority: 'high' })
})

test('a write that is refused is undone and told, and what comes after it goes on', async () => {
  const { copy, conflicts } = await newDevice()
  await copy.create('tasks', { title: '' })
  await copy.create('tasks', { title })
  expect(titlesIn(copy)).toHaveLength(2)
  await copy.sync()
  expect(titlesIn(copy)).toEqual([title])
  expect(conflicts.map(({ problem }) => problem.type)).toEqual(['invalid_body'])
})

test('deleting and undoing show at once, before and after they were sent', async () => {
  const { copy, user } = await newDevice()
  const { body: task } = await user.call('POST', '/tasks', { title })
  await copy.sync()
  await copy.delete('tasks', task.id)
  expect(titlesIn(copy)).toEqual([])
  await copy.sync()
  await copy.restore('tasks', task.id)
  expect(titlesIn(copy)).toEqual([title])
  await copy.sync()
  await copy.delete('tasks', task.id)
  await copy.restore('tasks', task.id)
  await copy.sync()
  expect((await user.call('GET', '/tasks')).body.tasks).toEqual(copy.rows('tasks'))
  expect(titlesIn(copy)).toEqual([title])
})

test('a started copy sends each write by itself, until it is stopped', async () => {
  const { copy, user } = await newDevice()
  copy.start(10)
  const sent = new Promise<void>((resolve) => {
    copy.subscribe(() => {
      if (copy.rows('tasks').some(({ revision }) => revision > 0)) resolve()
    })
  })
  await copy.create('tasks', { title })
  await sent
  copy.stop()
  expect(await countOf(user.id)).toBe(1)
})

test('two devices that both write come to the same copy', async () => {
  const one = await newDevice()
  const other = await newDevice(one.user.id)
  one.air.plane = true
  await one.copy.create('tasks', { title: 'One' })
  await other.copy.create('tasks', { title: 'Other' })
  await other.copy.sync()
  one.air.plane = false
  await one.copy.sync()
  await other.copy.sync()
  expect(one.copy.rows('tasks')).toEqual(other.copy.rows('tasks'))
  expect(titlesIn(one.copy).toSorted()).toEqual(['One', 'Other'])
})

test('a copy is of one user: it is not sent as another, and clearing forgets it', async () => {
  const storage = new Map<string, string>()
  const kept = {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => storage.set(key, value),
    removeItem: (key: string) => storage.delete(key),
  }
  const one = await newDevice(undefined, { storage: kept })
  await one.copy.create('tasks', { title })
  const other = await newDevice(undefined, { storage: kept })
  expect(titlesIn(other.copy)).toEqual([])
  const wrong = await other.client.sync({ storage: kept, user: one.user.id })
  await expect(wrong.sync()).rejects.toThrow('another user')
  await one.copy.clear()
  expect([titlesIn(one.copy), [...storage.keys()].filter((key) => key.endsWith(one.user.id))]).toEqual([
    [],
    [],
  ])
})
