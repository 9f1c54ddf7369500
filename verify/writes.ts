import { newId, type Body } from './bodies.ts'
import { expectEqual, expectProblem, expectRow, expectStatus, expectThat, type Row } from './expect.ts'
import { checkEach, type Rows, type Run } from './run.ts'

/** What a body must be, and what PUT, PATCH and DELETE do with it (contract §1, §2, §8). */
export async function writes(run: Run): Promise<void> {
  await checkEach(
    run,
    'writes',
    'PUT replaces every writable field: one left out goes back to its default',
    async (rows) => {
      const least = rows.make.least()
      const fresh = await rows.create(least)
      const { id, revision } = await rows.create(rows.make.nth(1))
      const answer = await rows.send('PUT', `/${id}`, least)
      const row = expectRow(answer)
      expectEqual(written(rows, row), written(rows, fresh), 'the writable fields of a new row,', answer)
      expectThat(row.revision > revision, `a revision over ${revision}`, row.revision, answer)
    },
  )

  await checkEach(run, 'writes', 'PATCH changes only the fields sent', async (rows) => {
    const row = await rows.create()
    const change = rows.make.change()
    const answer = await rows.send('PATCH', `/${row.id}`, change)
    const patched = expectRow(answer)
    const { revision, updated_at } = patched
    expectEqual(patched, { ...row, ...change, revision, updated_at }, 'the row with the change,', answer)
    expectThat(revision > row.revision, `a revision over ${row.revision}`, revision, answer)
    expectEqual(answer.headers.get('ETag'), `"${revision}"`, 'ETag', answer)
  })

  await checkEach(
    run,
    'writes',
    'what a GET answered may be PUT back: read-only fields are ignored',
    async (rows) => {
      const row = await rows.create()
      const lies = { ...row, user_id: 'somebody', revision: 1, created_at: 'never' }
      const answer = await rows.send('PUT', `/${row.id}`, lies)
      const put = expectRow(answer)
      expectEqual(written(rows, put), written(rows, row), 'the same fields', answer)
      expectEqual([put.user_id, put.created_at], [row.user_id, row.created_at], 'user_id, created_at', answer)
    },
  )

  await checkEach(run, 'writes', 'a PATCH of nothing that can be written is a 400', async (rows) => {
    const { id, created_at } = await rows.create()
    expectProblem(await rows.send('PATCH', `/${id}`, {}), 400)
    expectProblem(await rows.send('PATCH', `/${id}`, { created_at }), 400)
  })

  await checkEach(run, 'writes', 'an id in the body that is not that of the path is a 422', async (rows) => {
    const { id } = await rows.create()
    const body = { ...rows.make.full(), id: newId() }
    for (const method of ['PUT', 'PATCH']) expectProblem(await rows.send(method, `/${id}`, body), 422, 'id')
  })

  await checkEach(
    run,
    'writes',
    'an unknown field is a 422 that names it, and nothing is stored',
    async (rows) => {
      await refusedEverywhere(rows, { no_such_field: 1 }, 'no_such_field')
    },
  )

  await checkEach(run, 'writes', 'a required field left out or null is a 422 that names it', async (rows) => {
    const { id } = await rows.create()
    for (const name of rows.resource.required) {
      const { [name]: _, ...body } = rows.make.full()
      for (const [method, suffix] of [
        ['POST', ''],
        ['PUT', `/${id}`],
      ] as const) {
        expectProblem(await rows.send(method, suffix, body), 422, name)
      }
      expectProblem(await rows.send('PATCH', `/${id}`, { [name]: null }), 422, name)
    }
  })

  await checkEach(
    run,
    'writes',
    'a value that its schema does not allow is a 422 that names the field',
    async (rows) => {
      for (const [name, schema] of Object.entries(rows.resource.writable)) {
        const wrong: unknown[] = [{ no: 'such' }]
        if (schema.enum) wrong.push('no such value')
        if (rows.make.texts.includes(name)) {
          const { maxLength = 0 } = longest(schema)
          wrong.push(7, 'a\0b', ...(maxLength ? ['x'.repeat(maxLength + 1), '😀'.repeat(maxLength + 1)] : []))
        }
        if (schema['x-references']) wrong.push('x', newId())
        for (const value of wrong) await refusedEverywhere(rows, { [name]: value }, name)
      }
    },
  )

  await checkEach(run, 'writes', 'text is stored exactly as sent', async (rows) => {
    for (const name of rows.make.texts) {
      for (const text of [' a  b ', `'; DROP TABLE users; --`, '<b>&amp;</b>', 'שלום 👩‍👩‍👧 é ﬁ', '%_\\']) {
        const answer = await rows.send('POST', '', { ...rows.make.full(), [name]: text })
        const row = expectRow(answer, 201)
        expectEqual(row[name], text, name, answer)
      }
      const { maxLength = 0 } = longest(rows.resource.writable[name] ?? {})
      if (maxLength) await rows.create({ ...rows.make.full(), [name]: '😀'.repeat(maxLength) })
    }
  })

  await checkEach(
    run,
    'writes',
    'malformed JSON is a 400, another media type a 415, a body over 64 KiB a 413',
    async (rows) => {
      const { id } = await rows.create()
      const good = JSON.stringify(rows.make.full())
      for (const [method, suffix] of [
        ['POST', ''],
        ['PUT', `/${id}`],
        ['PATCH', `/${id}`],
        ['POST', '/bulk'],
      ] as const) {
        for (const body of ['{', '', 'nul', `${good},`]) {
          expectProblem(await rows.send(method, suffix, body, { 'Content-Type': 'application/json' }), 400)
        }
        for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
          expectProblem(await rows.send(method, suffix, good, { 'Content-Type': type }), 415)
        }
        expectProblem(await rows.send(method, suffix, { junk: 'x'.repeat(65_536) }), 413)
        for (const body of [[], null, 7, 'text']) {
          expectProblem(await rows.send(method, suffix, JSON.stringify(body)), 422)
        }
      }
    },
  )

  await checkEach(
    run,
    'writes',
    'a deleted row is in the trash alone, until it is restored as it was',
    async (rows) => {
      const row = await rows.create()
      const at = `/${row.id}`
      const deleted = await rows.send('DELETE', at)
      expectEqual(expectStatus(deleted, 204).text, '', 'body', deleted)
      for (const method of ['GET', 'DELETE']) expectProblem(await rows.send(method, at), 404)
      expectProblem(await rows.send('PUT', at, rows.make.full()), 404)
      expectProblem(await rows.send('PATCH', at, rows.make.change()), 404)
      const restored = await rows.send('POST', `${at}/restore`)
      const back = expectRow(restored)
      expectEqual(written(rows, back), written(rows, row), 'what was deleted,', restored)
      expectThat(back.revision > row.revision, `a revision over ${row.revision}`, back.revision, restored)
      const again = await rows.send('POST', `${at}/restore`)
      expectEqual(expectRow(again), back, 'a live row left alone,', again)
    },
  )

  await checkEach(run, 'writes', 'a verb of a row answers with it as it is now', async (rows) => {
    for (const { method, suffix } of rows.resource.verbs.filter((verb) => verb.suffix !== '/restore')) {
      const { id, revision } = await rows.create()
      const answer = await rows.send(method, `/${id}${suffix}`)
      const row = expectRow(answer)
      expectThat(row.revision > revision, `a revision over ${revision}`, row.revision, answer)
      expectEqual(expectRow(await rows.send('GET', `/${id}`)), row, 'the row as it was answered,')
      if (suffix !== '/complete') continue
      expectEqual([row.completed, row.status], [true, 'completed'], 'completed, status', answer)
      const back = expectRow(await rows.send(method, `/${id}${suffix}`))
      expectEqual([back.completed, back.status], [false, 'pending'], 'completed, status')
    }
  })
}

/** The writable fields of a row. */
function written({ resource }: Rows, row: Row): Body {
  return Object.fromEntries(Object.keys(resource.writable).map((name) => [name, row[name]]))
}

/** A body with `extra` is a 422 that names `name`, for every method, and changes nothing. */
async function refusedEverywhere(rows: Rows, extra: Body, name: string): Promise<void> {
  const row = await rows.create()
  const body = { ...rows.make.full(), ...extra }
  for (const [method, suffix] of [
    ['POST', ''],
    ['PUT', `/${row.id}`],
    ['PATCH', `/${row.id}`],
  ] as const) {
    expectProblem(await rows.send(method, suffix, body), 422, name)
  }
  const answer = await rows.send('GET', `/${row.id}`)
  expectEqual(expectRow(answer), row, 'the row as it was,', answer)
}

function longest(schema: {
  maxLength?: number | undefined
  anyOf?: { maxLength?: number | undefined }[] | undefined
}) {
  return schema.anyOf?.find(({ maxLength }) => maxLength !== undefined) ?? schema
}
