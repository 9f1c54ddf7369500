import * as fc from 'fast-check'
import { expect } from 'vitest'
import { newId, newUser, type Answer, type Json } from './client.ts'
import type { User } from './collection.ts'
import { ask } from './rows.ts'

/** One entry of `/changes`, as a device keeps it. */
interface Entry {
  collection: string
  id: string
  deleted: boolean
  revision: number
  data?: Json
}

/** What a device has heard of: `collection/id` → the latest entry. */
export type Copy = Map<string, Entry>

/** How a device turns a page of changes into its copy and its next cursor; a planted bug replaces it. */
export type Apply = (copy: Copy, page: { changes: Entry[]; cursor: string; has_more: boolean }) => string

/** As the contract says it: the last word on each row counts, and the cursor is kept as it is. */
export const applyRightly: Apply = (copy, { changes, cursor }) => {
  for (const entry of changes) copy.set(`${entry.collection}/${entry.id}`, entry)
  return cursor
}

/** A write, by numbers that choose among what the device knows of. Offline it waits in the outbox. */
type WriteStep = { online: boolean } & (
  | { do: 'create'; what: 'projects' | 'tasks' | 'comments'; pick: number; text: string; keyed: boolean }
  | { do: 'bulk'; size: number; text: string }
  | { do: 'update'; pick: number; text: string; match: boolean }
  | { do: 'delete'; pick: number; match: boolean }
  | { do: 'restore'; pick: number; keyed: boolean }
)

/** What a device does in one round; sent twice, as when every answer was lost and the device tried again. */
export type Step = WriteStep | { do: 'send'; twice: boolean } | { do: 'pull'; limit: number }

/** A history: in each round all three devices do a step of theirs at once. */
export type History = [Step, Step, Step][]

const pick = fc.nat(20)
const text = fc.constantFrom('a', 'b', 'c', 'd')
const online = fc.boolean()
const match = fc.boolean()
const keyed = fc.boolean()
const what = fc.constantFrom('projects' as const, 'tasks' as const, 'comments' as const)
const size = fc.integer({ min: 2, max: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('create' as const), online, what, pick, text, keyed }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('bulk' as const), online, size, text }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('update' as const), online, pick, text, match }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('delete' as const), online, pick, match }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('restore' as const), online, pick, keyed }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('send' as const), twice: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('pull' as const), limit: fc.integer({ min: 1, max: 4 }) }),
  },
)

/** Small histories of three devices. */
export const histories: fc.Arbitrary<History> = fc.array(fc.tuple(step, step, step), {
  minLength: 3,
  maxLength: 8,
  size: 'max',
})

interface Write {
  method: string
  path: string
  body?: unknown
  headers: Record<string, string>
}

/** A client that writes into an outbox and reads nothing but `/changes`. */
interface Device {
  copy: Copy
  /** What it created and may not have heard of since. */
  own: Entry[]
  cursor: string | undefined
  outbox: Write[]
}

/** How large the last pages of each device are. */
const QUIET_LIMITS = [2, 5, 100]

/** Lives a history with a new user, lets every device send and pull all, and resolves to the copies and the server. */
export async function live(history: History, apply: Apply = applyRightly) {
  const user = await newUser()
  const devices: Device[] = Array.from({ length: 3 }, () => ({
    copy: new Map(),
    own: [],
    cursor: undefined,
    outbox: [],
  }))
  for (const round of history) {
    await Promise.all(
      devices.map(async (device, at) => {
        const own = round[at]
        if (own) await take(user, device, own, apply)
      }),
    )
  }
  await Promise.all(devices.map((device) => send(user, device, false)))
  await Promise.all(
    devices.map(async (device, at) => {
      while (await pull(user, device, QUIET_LIMITS[at] ?? 1, apply));
    }),
  )
  return { copies: devices.map(({ copy }) => sorted(copy)), server: sorted(await stateOf(user)) }
}

/** Plain objects, for comparing. */
function sorted(copy: Copy): Entry[] {
  return [...copy.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

async function take(user: User, device: Device, own: Step, apply: Apply): Promise<void> {
  switch (own.do) {
    case 'send':
      return send(user, device, own.twice)
    case 'pull':
      await pull(user, device, own.limit, apply)
      return undefined
    default:
      device.outbox.push(...writesOf(device, own))
      return own.online ? send(user, device, false) : undefined
  }
}

/** The requests of a step, by what the device knows; none when it knows too little. */
function writesOf(device: Device, own: WriteStep): Write[] {
  const known = [
    ...device.own.filter(({ collection, id }) => !device.copy.has(`${collection}/${id}`)),
    ...device.copy.values(),
  ]
  const chosen = <Item>(items: Item[], at: number) => items[at % (items.length || 1)]
  const alive = known.filter(({ deleted }) => !deleted)
  const aliveIn = (name: string) => alive.filter(({ collection }) => collection === name)
  const key = (wanted: boolean) => (wanted ? { 'Idempotency-Key': crypto.randomUUID() } : {})
  const created = (collection: string, data: Json) => {
    const id = newId()
    device.own.push({ collection, id, deleted: false, revision: 1, data })
    return id
  }
  switch (own.do) {
    case 'create': {
      const headers = key(own.keyed)
      if (own.what === 'projects') {
        return [post('/projects', { id: created('projects', {}), name: own.text }, headers)]
      }
      if (own.what === 'tasks') {
        const project_id = chosen([undefined, ...aliveIn('projects')], own.pick)?.id ?? null
        return [post('/tasks', { id: created('tasks', {}), title: own.text, project_id }, headers)]
      }
      const task = chosen(aliveIn('tasks'), own.pick)
      if (!task) return []
      const id = created('comments', { task_id: task.id })
      return [post(`/tasks/${task.id}/comments`, { id, body: own.text }, headers)]
    }
    case 'bulk': {
      const operations = Array.from({ length: own.size }, (_, at) => ({
        op: 'create',
        id: created('tasks', {}),
        data: { title: `${own.text}${at}` },
      }))
      return [post('/tasks/bulk', { operations }, key(true))]
    }
    case 'restore': {
      const row = chosen(
        known.filter(({ collection, deleted }) => deleted && collection !== 'comments'),
        own.pick,
      )
      return row ? [post(`${pathOf(row)}/restore`, undefined, key(own.keyed))] : []
    }
    default: {
      const row = chosen(alive, own.pick)
      if (!row) return []
      const headers = own.match ? { 'If-Match': `"${row.revision}"` } : {}
      if (own.do === 'delete') return [{ method: 'DELETE', path: pathOf(row), headers }]
      const field = { projects: 'name', tasks: 'title', comments: 'body' }[row.collection] ?? ''
      return [{ method: 'PATCH', path: pathOf(row), body: { [field]: own.text }, headers }]
    }
  }
}

function post(path: string, body: unknown, headers: Record<string, string>): Write {
  return { method: 'POST', path, body, headers }
}

function pathOf({ collection, id, data }: Entry): string {
  return `${collection === 'comments' ? `/tasks/${data.task_id}` : ''}/${collection}/${id}`
}

/** Empties the outbox in order; `twice` as when each answer was lost and the device tried again. */
async function send(user: User, device: Device, twice: boolean): Promise<void> {
  for (const write of device.outbox.splice(0)) {
    for (let attempt = 0; attempt < (twice ? 2 : 1); attempt += 1) {
      const answer = await user.call(write.method, write.path, write.body, write.headers)
      // Others were here first: the row is gone (404, 410), changed (412) or, the second time, made already (409).
      expect([200, 201, 204, 404, 409, 410, 412, 422], answer.text).toContain(answer.status)
    }
  }
}

/** One page. Resolves to whether more follow. */
async function pull(user: User, device: Device, limit: number, apply: Apply): Promise<boolean> {
  const at = device.cursor === undefined ? '' : `&cursor=${device.cursor}`
  const { status, body, text: raw } = await user.call('GET', `/changes?limit=${limit}${at}`)
  expect(status, raw).toBe(200)
  expect(body.changes.length).toBeLessThanOrEqual(limit)
  if (body.has_more) expect(body.changes.length).toBe(limit)
  expectNews(device.copy, body.changes)
  device.cursor = apply(device.copy, body)
  return body.has_more
}

/** No page holds a row twice, goes back in a collection, or tells what the device knows already. */
function expectNews(copy: Copy, changes: Entry[]): void {
  const last = new Map<string, number>()
  for (const { collection, id, revision } of changes) {
    expect(revision).toBeGreaterThan(last.get(collection) ?? 0)
    last.set(collection, revision)
    expect(copy.get(`${collection}/${id}`)?.revision ?? 0).toBeLessThan(revision)
  }
  expect(new Set(changes.map(({ collection, id }) => `${collection}/${id}`)).size).toBe(changes.length)
}

/** Everything the server has, in the form of a copy, from its lists alone: live rows and the trash, of every collection. */
async function stateOf(user: User): Promise<Copy> {
  const copy: Copy = new Map()
  for (const collection of ['projects', 'tasks']) await add(user, copy, collection, `/${collection}`)
  const results = await ask<{ id: string; deleted: number }>(
    user.id,
    'SELECT DISTINCT task_id AS id, tasks.deleted_at IS NOT NULL AS deleted FROM comments JOIN tasks USING (user_id) WHERE user_id = ? AND tasks.id = task_id',
    user.id,
  )
  for (const { id, deleted } of results) {
    // The comments of a trashed task can be listed only when it is back; they stay as they are meanwhile.
    if (deleted) expect((await user.call('POST', `/tasks/${id}/restore`)).status).toBe(200)
    await add(user, copy, 'comments', `/tasks/${id}/comments`)
  }
  return copy
}

async function add(user: User, copy: Copy, collection: string, path: string): Promise<void> {
  for (const deleted of [false, true]) {
    const answer: Answer = await user.call('GET', `${path}?limit=100${deleted ? '&trashed=true' : ''}`)
    expect([answer.status, answer.body?.next_cursor], answer.text).toEqual([200, null])
    for (const data of answer.body[collection]) {
      const { id, revision } = data
      const entry = { collection, id, deleted, revision }
      copy.set(`${collection}/${id}`, deleted ? entry : { ...entry, data })
    }
  }
}
