import { randomUUID } from 'node:crypto'
import { newId } from './bodies.ts'
import type { Answer } from './client.ts'
import { expectEqual, expectRow } from './expect.ts'
import { checkEach, type Run } from './run.ts'
import { walk } from './walk.ts'

const AT_ONCE = 50

/** What happens when many ask for the same at once (contract §5). */
export async function concurrency(run: Run): Promise<void> {
  await checkEach(
    run,
    'concurrency',
    `${AT_ONCE} creates at once under one Idempotency-Key make one row`,
    async (rows) => {
      const headers = { 'Idempotency-Key': randomUUID() }
      const body = rows.make.full()
      const before = new Set((await walk(rows)).map(({ id }) => id))
      const answers = await atOnce(() => rows.send('POST', '', body, headers))
      expectEqual(tally(answers), { 201: AT_ONCE }, 'statuses', answers[0])
      const ids = new Set(answers.map((answer) => expectRow(answer, 201).id))
      const made = (await walk(rows)).filter(({ id }) => !before.has(id)).map(({ id }) => id)
      expectEqual(made, [...ids].slice(0, 1), 'one row', answers[0])
    },
  )

  await checkEach(
    run,
    'concurrency',
    `of ${AT_ONCE} creates at once with one id, one wins and the others are 409`,
    async (rows) => {
      const id = newId()
      const answers = await atOnce(() => rows.send('POST', '', { ...rows.make.full(), id }))
      expectEqual(tally(answers), { 201: 1, 409: AT_ONCE - 1 }, 'statuses', answers[0])
    },
  )

  await checkEach(
    run,
    'concurrency',
    `of ${AT_ONCE} PATCHes at once with one If-Match, one wins and the others are 412`,
    async (rows) => {
      const { id, revision } = await rows.create()
      const headers = { 'If-Match': `"${revision}"` }
      const answers = await atOnce(() => rows.send('PATCH', `/${id}`, rows.make.change(), headers))
      expectEqual(tally(answers), { 200: 1, 412: AT_ONCE - 1 }, 'statuses', answers[0])
      const won = answers.find(({ status }) => status === 200)
      expectEqual(won?.text, (await rows.send('GET', `/${id}`)).text, 'the row of the one that won,', won)
    },
  )
}

function atOnce(one: () => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: AT_ONCE }, one))
}

/** How many answers have each status. */
function tally(answers: readonly Answer[]): Record<string, number> {
  const groups = Object.groupBy(answers, ({ status }) => String(status))
  return Object.fromEntries(Object.entries(groups).map(([status, some]) => [status, some?.length ?? 0]))
}
