import { newId } from './bodies.ts'
import { expectEqual, expectProblem, expectRow, expectStatus, expectThat } from './expect.ts'
import { checkEach, type Run } from './run.ts'

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

/** What a row and its addresses look like (contract §1). */
export async function shape(run: Run): Promise<void> {
  await checkEach(
    run,
    'shape',
    'a created row is answered whole, with its Location and ETag',
    async (rows) => {
      const sent = rows.make.full()
      const answer = await rows.send('POST', '', sent)
      const row = expectRow(answer, 201)
      expectEqual(Object.keys(row).toSorted(), Object.keys(rows.resource.row).toSorted(), 'fields', answer)
      const kept = Object.fromEntries(rows.make.texts.map((name) => [name, row[name]]))
      const texts = Object.fromEntries(rows.make.texts.map((name) => [name, sent[name]]))
      expectEqual(kept, texts, 'the texts sent', answer)
      expectThat(UUID_V7.test(row.id), 'a UUIDv7 as id', row.id, answer)
      expectEqual(row.user_id, rows.user.id, 'user_id', answer)
      for (const name of ['created_at', 'updated_at']) {
        expectThat(MOMENT.test(String(row[name])), `${name} in UTC with milliseconds`, row[name], answer)
      }
      expectEqual(answer.headers.get('Location'), `${rows.path}/${row.id}`, 'Location', answer)
      expectEqual(answer.headers.get('ETag'), `"${row.revision}"`, 'ETag', answer)
      const read = await rows.send('GET', `/${row.id}`)
      expectEqual(expectRow(read), row, 'the row as it was answered,', read)
      expectEqual(read.headers.get('ETag'), `"${row.revision}"`, 'ETag', read)
    },
  )

  await checkEach(run, 'shape', 'the least body is enough', async (rows) => {
    expectRow(await rows.send('POST', '', rows.make.least()), 201)
  })

  await checkEach(run, 'shape', "a row answers under the user's id and under /api/v1 too", async (rows) => {
    const row = await rows.create()
    const user = encodeURIComponent(rows.user.id)
    for (const base of [`/api/${user}`, `/api/v1/${user}`, '/api/v1/me']) {
      const path = `${rows.path.replace('/api/me', base)}/${row.id}`
      const answer = await run.client.get(path, rows.user)
      expectEqual(expectRow(answer), row, 'the same row', answer)
    }
  })

  await checkEach(
    run,
    'shape',
    'an id of the client is kept, and refused with 409 the second time',
    async (rows) => {
      const id = newId()
      expectEqual((await rows.create({ ...rows.make.full(), id })).id, id, 'id')
      expectProblem(await rows.send('POST', '', { ...rows.make.full(), id }), 409)
      expectStatus(await rows.send('DELETE', `/${id}`), 204)
      expectProblem(await rows.send('POST', '', { ...rows.make.full(), id }), 409)
    },
  )

  await checkEach(
    run,
    'shape',
    'an id that is no UUIDv7 is a 422 in a body and a 404 in a path',
    async (rows) => {
      for (const id of ['x', crypto.randomUUID(), newId().toUpperCase()]) {
        expectProblem(await rows.send('POST', '', { ...rows.make.full(), id }), 422, 'id')
        expectProblem(await rows.send('GET', `/${id}`), 404)
      }
    },
  )

  await checkEach(
    run,
    'shape',
    'If-None-Match with the ETag of a row is a 304 without a body',
    async (rows) => {
      const { id, revision } = await rows.create()
      for (const tag of [`"${revision}"`, `W/"${revision}"`, `"1", "${revision}"`, '*']) {
        const answer = await rows.send('GET', `/${id}`, undefined, { 'If-None-Match': tag })
        expectEqual(expectStatus(answer, 304).text, '', 'body', answer)
        expectEqual(answer.headers.get('ETag'), `"${revision}"`, 'ETag', answer)
      }
      expectRow(await rows.send('GET', `/${id}`, undefined, { 'If-None-Match': '"1"' }))
    },
  )

  await checkEach(run, 'shape', 'a method that a path does not have is a 405 with Allow', async (rows) => {
    const { id } = await rows.create()
    const known: [suffix: string, method: string, allowed: string[]][] = [
      ['', 'DELETE', ['GET', 'POST']],
      ['/bulk', 'GET', ['POST']],
      [`/${id}`, 'POST', ['GET', 'PUT', 'PATCH', 'DELETE']],
      ...rows.resource.verbs.map(({ method, suffix }): [string, string, string[]] => [
        `/${id}${suffix}`,
        method === 'POST' ? 'PUT' : 'POST',
        [method],
      ]),
    ]
    for (const [suffix, method, allowed] of known) {
      const answer = await rows.send(method, suffix, method === 'DELETE' || method === 'GET' ? undefined : {})
      expectProblem(answer, 405)
      const named = (answer.headers.get('Allow') ?? '').split(/\s*,\s*/)
      expectThat(
        allowed.every((one) => named.includes(one)),
        `Allow with ${allowed.join()}`,
        named,
        answer,
      )
    }
  })

  await checkEach(run, 'shape', 'a row that does not exist is a 404 for every method', async (rows) => {
    const at = `/${newId()}`
    expectProblem(await rows.send('GET', at), 404)
    expectProblem(await rows.send('PUT', at, rows.make.full()), 404)
    expectProblem(await rows.send('PATCH', at, rows.make.change()), 404)
    expectProblem(await rows.send('DELETE', at), 404)
    for (const { method, suffix } of rows.resource.verbs) {
      expectProblem(await rows.send(method, at + suffix), 404)
    }
  })
}
