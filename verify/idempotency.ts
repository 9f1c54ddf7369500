import { randomUUID } from 'node:crypto'
import { expectEqual, expectProblem, expectRow, expectStatus, expectThat } from './expect.ts'
import { checkEach, type Run } from './run.ts'
import { walk } from './walk.ts'

/** That a POST is safe to send again (contract §5, §8). */
export async function idempotency(run: Run): Promise<void> {
  await checkEach(
    run,
    'idempotency',
    'the same Idempotency-Key and body answer with the same row, replayed',
    async (rows) => {
      const headers = { 'Idempotency-Key': randomUUID() }
      const body = rows.make.full()
      const first = await rows.send('POST', '', body, headers)
      const row = expectRow(first, 201)
      expectEqual(first.headers.get('Idempotent-Replayed'), null, 'Idempotent-Replayed', first)
      const second = await rows.send('POST', '', body, headers)
      expectEqual(expectRow(second, 201), row, 'the same row', second)
      expectEqual(second.headers.get('Idempotent-Replayed'), 'true', 'Idempotent-Replayed', second)
      expectStatus(await rows.send('DELETE', `/${row.id}`), 204)
      expectProblem(await rows.send('POST', '', body, headers), 410)
    },
  )

  await checkEach(run, 'idempotency', 'a key with another body is a 422', async (rows) => {
    const headers = { 'Idempotency-Key': randomUUID() }
    expectRow(await rows.send('POST', '', rows.make.full(), headers), 201)
    const other = { ...rows.make.full(), id: undefined, ...rows.make.change() }
    expectProblem(await rows.send('POST', '', other, headers), 422)
  })

  await checkEach(run, 'idempotency', 'a malformed key is a 400', async (rows) => {
    for (const key of ['', 'a b', 'é', 'x'.repeat(256)]) {
      expectProblem(await rows.send('POST', '', rows.make.full(), { 'Idempotency-Key': key }), 400)
    }
  })

  await checkEach(run, 'idempotency', 'a key whose request was refused is free again', async (rows) => {
    const headers = { 'Idempotency-Key': randomUUID() }
    expectProblem(await rows.send('POST', '', { ...rows.make.full(), no_such: 1 }, headers), 422)
    expectRow(await rows.send('POST', '', rows.make.full(), headers), 201)
  })

  await checkEach(run, 'idempotency', 'a bulk sent again under its key does nothing more', async (rows) => {
    const headers = { 'Idempotency-Key': randomUUID() }
    const before = (await walk(rows)).length
    const body = { operations: [{ op: 'create', data: rows.make.full() }] }
    const first = expectStatus(await rows.send('POST', '/bulk', body, headers), 200)
    const second = expectStatus(await rows.send('POST', '/bulk', body, headers), 200)
    expectEqual(second.body, first.body, 'the same results', second)
    expectThat(
      second.headers.get('Idempotent-Replayed') === 'true',
      'Idempotent-Replayed: true',
      'none',
      second,
    )
    expectEqual((await walk(rows)).length, before + 1, 'rows')
  })
}
