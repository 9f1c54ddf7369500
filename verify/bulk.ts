import * as z from 'zod'
import { newId } from './bodies.ts'
import type { Answer } from './client.ts'
import { expectEqual, expectProblem, expectRow, expectStatus, parsedAs } from './expect.ts'
import { checkEach, type Rows, type Run } from './run.ts'
import { walk } from './walk.ts'

const results = z.object({ results: z.array(z.looseObject({ status: z.number(), id: z.string() })) })

/** That many operations are done at once, or none (contract §5, §8). */
export async function bulk(run: Run): Promise<void> {
  await checkEach(run, 'bulk', 'creates, updates and deletes in one request', async (rows) => {
    const [changed, gone] = [await rows.create(), await rows.create()]
    const id = newId()
    const change = rows.make.change()
    const answer = await send(rows, [
      { op: 'create', id, data: rows.make.full() },
      { op: 'update', id: changed.id, revision: changed.revision, data: change },
      { op: 'delete', id: gone.id },
    ])
    const came = parsedAs(results, expectStatus(answer, 200), 'results')
    const summary = came.results.map((one) => [one.status, one.id])
    expectEqual(
      summary,
      [
        [201, id],
        [200, changed.id],
        [204, gone.id],
      ],
      'results',
      answer,
    )
    const row = expectRow(await rows.send('GET', `/${changed.id}`))
    expectEqual({ ...row, ...change }, row, 'the change')
    expectRow(await rows.send('GET', `/${id}`))
    expectProblem(await rows.send('GET', `/${gone.id}`), 404)
  })

  await checkEach(
    run,
    'bulk',
    'one operation that fails undoes all, and the problem names its index',
    async (rows) => {
      const row = await rows.create()
      const before = await walk(rows)
      const create = () => ({ op: 'create', data: rows.make.full() })
      const update = { op: 'update', id: row.id, data: rows.make.change() }
      const failing: [status: number, operation: object][] = [
        [404, { op: 'delete', id: newId() }],
        [404, { op: 'update', id: newId(), data: rows.make.change() }],
        [409, { op: 'create', id: row.id, data: rows.make.full() }],
        [412, { op: 'delete', id: row.id, revision: 1 }],
        [422, { op: 'create', data: { ...rows.make.full(), no_such: 1 } }],
      ]
      for (const [status, operation] of failing) {
        const answer = await send(rows, [create(), update, operation])
        expectEqual(expectProblem(answer, status).index, 2, 'index', answer)
        expectEqual(await walk(rows), before, 'the rows as they were,', answer)
      }
    },
  )

  await checkEach(run, 'bulk', 'no operation, more than 100, or one of no kind is a 422', async (rows) => {
    const remove = { op: 'delete', id: newId() }
    expectProblem(await send(rows, []), 422)
    expectProblem(
      await send(
        rows,
        Array.from({ length: 101 }, () => remove),
      ),
      422,
    )
    expectProblem(await send(rows, [{ op: 'upsert', id: newId() }]), 422)
  })
}

function send(rows: Rows, operations: readonly object[]): Promise<Answer> {
  return rows.send('POST', '/bulk', { operations })
}
