import * as z from 'zod'
import type { Answer } from './client.ts'
import { expectEqual, expectProblem, expectStatus, expectThat, parsedAs, type Row } from './expect.ts'
import { check, rowsOf, type Rows, type Run } from './run.ts'
import { walk } from './walk.ts'

const change = z.object({
  collection: z.string(),
  id: z.string(),
  deleted: z.boolean(),
  revision: z.number(),
  data: z.looseObject({ id: z.string(), revision: z.number() }).optional(),
})
const changes = z.object({ changes: z.array(change), cursor: z.string(), has_more: z.boolean() })

type Change = z.output<typeof change>

/** One of a user's clients, with its copy of everything. */
interface Device {
  copy: Map<string, Change>
  cursor?: string
}

const ROUNDS = 12

/** That copies of everything converge (contract §5, §8). */
export async function sync(run: Run): Promise<void> {
  const path = '/api/me/changes'

  await check(run, 'sync', 'two clients that write in turn converge on what the lists hold', async () => {
    const all = await Promise.all(run.api.resources.map((resource) => rowsOf(run, resource)))
    const [first, second]: [Device, Device] = [{ copy: new Map() }, { copy: new Map() }]
    await pullAll(run, first, 200)
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const rows of all) await write(rows, round)
      if (round % 3 === 0) await pull(run, first, 2)
      if (round % 5 === 4) await pull(run, second, 50)
    }
    await pullAll(run, first, 3)
    await pullAll(run, second, 100)
    expectEqual(sorted(first.copy), sorted(second.copy), "the other client's copy,")
    for (const rows of all) await expectCopied(rows, first)
  })

  await check(
    run,
    'sync',
    'a malformed cursor and a limit out of range are a 422 that names them',
    async () => {
      for (const [name, query] of [
        ['cursor', 'cursor=no_such'],
        ['cursor', 'cursor='],
        ['limit', 'limit=0'],
        ['limit', 'limit=501'],
        ['no_such', 'no_such=1'],
      ] as const) {
        expectProblem(await run.client.get(`${path}?${query}`, run.mine), 422, name)
      }
    },
  )
}

/** One write in a collection: most create or change; some delete, or restore. */
async function write(rows: Rows, round: number): Promise<void> {
  const row = await rows.create(rows.make.nth(round))
  if (round % 2) await rows.send('PATCH', `/${row.id}`, rows.make.change())
  if (round % 3 === 0) expectStatus(await rows.send('DELETE', `/${row.id}`), 204)
  if (round % 6 === 0) expectStatus(await rows.send('POST', `/${row.id}/restore`), 200)
}

async function pullAll(run: Run, device: Device, limit: number): Promise<void> {
  while (await pull(run, device, limit));
}

/** One page. Resolves to whether more follow. */
async function pull(run: Run, device: Device, limit: number): Promise<boolean> {
  const at = device.cursor === undefined ? '' : `&cursor=${encodeURIComponent(device.cursor)}`
  const answer = await run.client.get(`/api/me/changes?limit=${limit}${at}`, run.mine)
  const page = parsedAs(changes, expectStatus(answer, 200), 'a page of changes')
  expectThat(page.changes.length <= limit, `at most ${limit} changes`, page.changes.length, answer)
  expectInOrder(page.changes, answer)
  for (const one of page.changes) device.copy.set(`${one.collection}/${one.id}`, one)
  device.cursor = page.cursor
  return page.has_more
}

function expectInOrder(entries: readonly Change[], answer: Answer): void {
  const last = new Map<string, number>()
  for (const { collection, revision, deleted, data } of entries) {
    expectThat(
      revision > (last.get(collection) ?? 0),
      `${collection} in the order of revisions`,
      entries,
      answer,
    )
    expectThat(deleted === (data === undefined), 'data unless deleted', entries, answer)
    last.set(collection, revision)
  }
}

function sorted(copy: ReadonlyMap<string, Change>): Change[] {
  return [...copy.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1))
}

/** What a device has of a collection is what its list holds, live and trashed. */
async function expectCopied(rows: Rows, { copy }: Device): Promise<void> {
  const { name, parent } = rows.resource
  const mine = ({ collection, data }: Change) => collection === name && data && isUnder(rows, data)
  const copied = [...copy.values()].filter(mine).flatMap(({ data }) => data ?? [])
  expectEqual(newest(copied), newest(await walk(rows)), `the list of ${name} in the copy,`)
  if (parent) return
  const gone = [...copy.values()].filter((one) => one.collection === name && one.deleted)
  const trash = await walk(rows, 'trashed=true')
  expectEqual(
    gone.map(({ id }) => id).toSorted(),
    trash.map(({ id }) => id).toSorted(),
    `the trash of ${name},`,
  )
}

function newest(some: readonly Row[]): Row[] {
  return some.toSorted((one, other) => (one.id < other.id ? 1 : -1))
}

function isUnder({ resource: { parent }, path }: Rows, row: Row): boolean {
  return !parent || path.includes(String(row[parent.parameter]))
}
