import { randomUUID } from 'node:crypto'
import { newId, newMark } from './bodies.ts'
import type { Answer, User } from './client.ts'
import { METHODS } from './document.ts'
import { expectEqual, expectProblem, expectRow, expectStatus, expectThat, type Row } from './expect.ts'
import { check, checkEach, rowsAt, rowsOf, type Rows, type Run } from './run.ts'
import { walk } from './walk.ts'

const NAMES = {
  path: "another user's path is the same 403 whether or not that user exists",
  row: "another user's row is the same 404 as one that does not exist",
  parent: "another user's parent is the same 404 as one that does not exist",
  sibling: 'a child is reached through its own parent alone',
  reference: "a reference to another user's row is refused as one to no row",
  lists: "lists, searches, pages and changes show nothing of another user's",
  ids: "another user's ids and Idempotency-Keys are free to use",
}

/** No user sees, changes or learns of another user's rows (contract §4, §8). Needs two users. */
export async function isolation(run: Run): Promise<void> {
  const { other } = run
  await checkEach(run, 'isolation', NAMES.sibling, ownParentAlone(run))
  if (!other) {
    const { sibling: _, ...left } = NAMES
    for (const name of Object.values(left)) {
      const reason = 'it takes two users: give --token twice'
      run.report.add({ subject: 'isolation', name, outcome: 'not checked', reason })
    }
    return
  }

  await check(run, 'isolation', NAMES.path, async () => {
    for (const [path, item] of Object.entries(run.api.document.paths)) {
      if (!path.startsWith('/api/{user_id}')) continue
      // Where isolation fails, this would erase the other user.
      const spared = run.lent && path === '/api/{user_id}'
      for (const method of METHODS.filter((one) => item[one] && !(spared && one === 'delete'))) {
        const to = (user: string) =>
          run.client.send({
            method: method.toUpperCase(),
            path: path.replace('{user_id}', user).replaceAll(/\{\w+\}/g, newId()),
            as: other,
            body: item[method]?.requestBody ? {} : undefined,
          })
        const theirs = await to(encodeURIComponent(run.mine.id))
        expectProblem(theirs, 403)
        expectSame(theirs, await to(`nobody-${newMark()}`))
      }
    }
  })

  await checkEach(run, 'isolation', NAMES.row, async (theirs) => {
    const row = await theirs.create()
    const mine = await rowsOf(run, theirs.resource, other)
    const update = mine.make.change()
    for (const [method, suffix, body] of requestsFor(mine)) {
      const foreign = await mine.send(method, `/${row.id}${suffix}`, body)
      expectProblem(foreign, 404)
      expectSame(foreign, await mine.send(method, `/${newId()}${suffix}`, body))
    }
    for (const rest of [{ op: 'delete' }, { op: 'update', data: update }]) {
      const one = (id: string) => mine.send('POST', '/bulk', { operations: [{ ...rest, id }] })
      const foreign = await one(row.id)
      expectProblem(foreign, 404)
      expectSame(foreign, await one(newId()))
    }
    await expectUntouched(theirs, row)
  })

  await checkEach(run, 'isolation', NAMES.parent, async (theirs) => {
    if (!theirs.resource.parent) return
    const row = await theirs.create()
    const mine = await rowsOf(run, theirs.resource, other)
    const at = (path: string) => rowsAt(run.client, theirs.resource, other, path, mine.make)
    const foreign = at(theirs.path)
    const missing = at(theirs.path.replace(parentIdOf(theirs), newId()))
    for (const [method, suffix, body] of [
      ['GET', '', undefined],
      ['POST', '', mine.make.full()],
      ['POST', '/bulk', { operations: [{ op: 'create', data: mine.make.full() }] }],
      ...requestsFor(mine).map(([verb, rest, sent]) => [verb, `/${row.id}${rest}`, sent] as const),
    ] as const) {
      const answer = await foreign.send(method, suffix, body)
      expectProblem(answer, 404)
      expectSame(answer, await missing.send(method, suffix, body))
    }
    await expectUntouched(theirs, row)
    expectEqual((await walk(theirs)).length, 1, 'rows under the parent:')
  })

  await checkEach(run, 'isolation', NAMES.reference, async (theirs) => {
    const mine = await rowsOf(run, theirs.resource, other)
    const { id } = await mine.create()
    for (const [name, foreign] of theirs.make.references) {
      for (const [method, suffix] of [
        ['POST', ''],
        ['PUT', `/${id}`],
        ['PATCH', `/${id}`],
      ] as const) {
        const answer = await mine.send(method, suffix, { ...mine.make.full(), [name]: foreign })
        expectProblem(answer, 422, name)
        expectSame(answer, await mine.send(method, suffix, { ...mine.make.full(), [name]: newId() }))
      }
    }
  })

  await check(run, 'isolation', NAMES.lists, async () => {
    for (const resource of run.api.resources) {
      const theirs = await rowsOf(run, resource)
      const [row, trashed] = [await theirs.create(), await theirs.create()]
      await theirs.create()
      await theirs.send('DELETE', `/${trashed.id}`)
      const { headers } = await theirs.send('GET', '?limit=1')
      const [, cursor = ''] = /[?&]cursor=([^&>]+)/.exec(headers.get('Link') ?? '') ?? []
      const mine = await rowsOf(run, resource, other)
      await mine.create()
      const found = [...(await walk(mine)), ...(await walk(mine, 'trashed=true'))]
      for (const one of found) expectEqual(one.user_id, other.id, `user_id of ${resource.name}`)
      if (resource.parameters.some(({ name }) => name === 'q')) {
        for (const name of theirs.make.texts) {
          const q = encodeURIComponent(String(row[name]).slice(0, 12))
          expectEqual(await walk(mine, `q=${q}`), [], `no ${resource.name} for q=${q}:`)
        }
      }
      const answer = expectStatus(await mine.send('GET', `?limit=100&cursor=${cursor}`), 200, 422)
      expectThat(!answer.text.includes(run.mine.id), `nothing of user A's`, answer.text, answer)
    }
    await expectNothingOf(run, run.mine, other, '/changes?limit=500')
    if (run.api.exports) await expectNothingOf(run, run.mine, other, '/export')
  })

  await checkEach(run, 'isolation', NAMES.ids, async (theirs) => {
    const headers = { 'Idempotency-Key': randomUUID() }
    const row = expectRow(await theirs.send('POST', '', theirs.make.full(), headers), 201)
    const mine = await rowsOf(run, theirs.resource, other)
    const answer = await mine.send('POST', '', { ...mine.make.full(), id: row.id }, headers)
    expectEqual(expectRow(answer, 201).user_id, other.id, 'user_id', answer)
    expectEqual(answer.headers.get('Idempotent-Replayed'), null, 'Idempotent-Replayed', answer)
    expectStatus(await mine.send('DELETE', `/${row.id}`), 204)
    await expectUntouched(theirs, row)
  })
}

function ownParentAlone(run: Run): (rows: Rows) => Promise<void> {
  return async (rows) => {
    if (!rows.resource.parent) return
    const row = await rows.create()
    const sibling = await rowsOf(run, rows.resource)
    for (const [method, suffix, body] of requestsFor(sibling)) {
      expectProblem(await sibling.send(method, `/${row.id}${suffix}`, body), 404)
    }
    expectEqual(await walk(sibling), [], 'no row under another parent:')
    await expectUntouched(rows, row)
  }
}

/** Every request for a row, by what follows its path. */
function requestsFor({ make, resource }: Rows): (readonly [method: string, suffix: string, body: unknown])[] {
  return [
    ['GET', '', undefined],
    ['PUT', '', make.full()],
    ['PATCH', '', make.change()],
    ['DELETE', '', undefined],
    ...resource.verbs.map(({ method, suffix }) => [method, suffix, undefined] as const),
  ]
}

async function expectUntouched(rows: Rows, row: Row): Promise<void> {
  const answer = await rows.send('GET', `/${row.id}`)
  expectEqual(expectRow(answer), row, 'the row as it was,', answer)
}

async function expectNothingOf(run: Run, { id }: User, reader: User, path: string): Promise<void> {
  const answer = expectStatus(await run.client.get(`/api/me${path}`, reader), 200)
  expectThat(!answer.text.includes(id), "nothing of user A's", answer.text, answer)
}

function parentIdOf({ path }: Rows): string {
  return path.split('/').at(-2) ?? ''
}

/** Two errors that cannot be told apart, but for what names the request. */
function expectSame(came: Answer, expected: Answer): void {
  expectEqual(comparable(came), comparable(expected), 'the answer for what does not exist,', came)
}

/** Headers that differ between any two answers. */
const VARYING = /^(date|x-request-id|server-timing|x-d1-bookmark|content-length|cf-.*|age|report-to|nel)$/

function comparable({ status, text, body, headers }: Answer): unknown {
  const members = typeof body === 'object' && body ? Object.entries(body) : [['text', text]]
  return {
    status,
    body: members.filter(([name]) => name !== 'request_id' && name !== 'instance'),
    headers: [...headers].filter(([name]) => !VARYING.test(name)),
  }
}
