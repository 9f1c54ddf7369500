import { expect, test } from 'vitest'
import type { QueryOf } from '../../client/src/index.ts'
import { newDevice, titlesIn } from './device.ts'

const QUERIES: QueryOf<'tasks'>[] = [
  {},
  { status: 'pending' },
  { completed: true },
  { completed: false, priority: 'high' },
  { tag: 'home' },
  { tag: 'hom' },
  { due_after: '2026-12-01' },
  { due_before: '2026-12-01' },
  { due_after: '2026-12-01T00:00:00Z' },
  { due_before: '2026-12-01T09:00:00+02:00' },
  { due_after: '2026-11-30', due_before: '2026-12-02' },
  { q: 'WATER' },
  { q: 'ÄPFEL' },
  { q: 'straße' },
  { q: '%' },
  { sort: 'title' },
  { sort: '-title' },
  { sort: 'due_date' },
  { sort: '-due_date' },
  { sort: 'priority' },
  { sort: '-priority' },
  { sort: 'created_at' },
  { sort: '-updated_at', status: 'in_progress' },
]

const TITLES = [
  'water the plants',
  'Water',
  'apple',
  'Äpfel pflücken',
  'Zebra',
  '100 %',
  'Straße',
  'ÉTÉ',
  '🌱',
  'ﬀ',
]
const DUES = [
  null,
  '2026-11-30',
  '2026-12-01',
  '2026-12-01T00:00:00.000Z',
  '2026-12-01T07:00:00Z',
  '2026-12-02',
]
const STATUSES = ['pending', 'in_progress', 'completed']
const PRIORITIES = ['low', 'medium', 'high']
const TAGS = [[], ['home'], ['home', 'garden'], ['work']]

test('a query of the copy has the rows of the API’s own list, in its order', async () => {
  const { copy, client, user } = await newDevice()
  const of = <Value>(values: readonly Value[], at: number) => values[at % values.length]
  const { body: project } = await user.call('POST', '/projects', { name: 'House' })
  const operations = Array.from({ length: 60 }, (_, at) => ({
    op: 'create',
    data: {
      title: of(TITLES, at),
      description: at % 4 ? null : of(TITLES, at + 3),
      due_date: of(DUES, at * 7),
      status: of(STATUSES, at * 5),
      priority: of(PRIORITIES, at * 11),
      tags: of(TAGS, at * 3),
      project_id: at % 5 ? null : project.id,
    },
  }))
  expect((await user.call('POST', '/tasks/bulk', { operations })).status).toBe(200)
  await copy.sync()
  for (const query of [...QUERIES, { project_id: project.id }, { q: 'water', sort: '-priority' as const }]) {
    const listed: string[] = []
    for await (const { id } of client.list('/tasks', { params: { query: { ...query, limit: 100 } } })) {
      listed.push(id)
    }
    expect([query, copy.rows('tasks', query).map(({ id }) => id)]).toEqual([query, listed])
  }
})

test('the children of one parent are asked for by its id', async () => {
  const { copy } = await newDevice()
  const [one, other] = [
    await copy.create('tasks', { title: 'One' }),
    await copy.create('tasks', { title: 'Other' }),
  ]
  for (const body of ['First', 'Second']) await copy.create('comments', { task_id: one, body })
  await copy.create('comments', { task_id: other, body: 'Elsewhere' })
  const bodies = () => copy.rows('comments', { task_id: one, sort: 'created_at' }).map(({ body }) => body)
  expect(bodies()).toEqual(['First', 'Second'])
  await copy.delete('tasks', one)
  expect(bodies()).toEqual([])
})

test('a query keeps up with edits that were not sent yet, and stays the same array when none of its rows changes', async () => {
  const { copy } = await newDevice()
  const [high, low] = [
    await copy.create('tasks', { title: 'High', priority: 'high' }),
    await copy.create('tasks', { title: 'Low', priority: 'low' }),
  ]
  const important = () => copy.rows('tasks', { priority: 'high', sort: 'title' })
  const before = important()
  await copy.update('tasks', low, { title: 'Lower' })
  expect(important()).toBe(before)
  await copy.update('tasks', low, { priority: 'high' })
  expect(important().map(({ title }) => title)).toEqual(['High', 'Lower'])
  await copy.delete('tasks', high)
  expect(important().map(({ title }) => title)).toEqual(['Lower'])
  expect(titlesIn(copy)).toEqual(['Lower'])
})

test('what the API cannot be asked for is a compile error, and one when it runs', async () => {
  const { copy } = await newDevice()
  await copy.create('tasks', { title: 'One' })
  // @ts-expect-error no such filter
  expect(() => copy.rows('tasks', { statsu: 'pending' })).toThrow('tasks cannot be filtered by statsu')
  // @ts-expect-error no such field to sort by
  expect(() => copy.rows('tasks', { sort: 'description' })).toThrow('tasks cannot be sorted by description')
})
