import { newId } from './bodies.ts'
import { expectEqual, expectProblem, expectStatus } from './expect.ts'
import { checkEach, type Rows, type Run } from './run.ts'

interface Write {
  method: string
  suffix: string
  body: unknown
}

/** A write succeeds only from the state that the client has seen (contract §5). */
export async function preconditions(run: Run): Promise<void> {
  await checkEach(
    run,
    'preconditions',
    'a stale If-Match is a 412 with the current ETag, and changes nothing',
    async (rows) => {
      for (const { method, suffix, body } of writesOf(rows)) {
        const { id, revision } = await rows.create()
        if (suffix === '/restore') await rows.send('DELETE', `/${id}`)
        else await rows.send('PATCH', `/${id}`, rows.make.change())
        const before = await rows.send('GET', `/${id}`)
        const answer = await rows.send(method, `/${id}${suffix}`, body, { 'If-Match': `"${revision}"` })
        expectProblem(answer, 412)
        const current = before.headers.get('ETag')
        if (current) expectEqual(answer.headers.get('ETag'), current, 'ETag', answer)
        const after = await rows.send('GET', `/${id}`)
        expectEqual(
          [after.status, after.headers.get('ETag')],
          [before.status, current],
          'status and ETag',
          after,
        )
      }
    },
  )

  await checkEach(
    run,
    'preconditions',
    'the current If-Match, a list with it, and * go through',
    async (rows) => {
      for (const { method, suffix, body } of writesOf(rows).filter((write) => write.suffix !== '/restore')) {
        for (const tagFor of [tagOf, (revision: number) => `"1", ${tagOf(revision)}`, () => '*']) {
          const { id, revision } = await rows.create()
          const answer = await rows.send(method, `/${id}${suffix}`, body, { 'If-Match': tagFor(revision) })
          expectStatus(answer, 200, 204)
        }
      }
    },
  )

  await checkEach(run, 'preconditions', 'a weak or malformed If-Match never matches', async (rows) => {
    for (const { method, suffix, body } of writesOf(rows)) {
      const { id, revision } = await rows.create()
      for (const tag of [`W/"${revision}"`, String(revision), `"${revision}`, '""']) {
        expectProblem(await rows.send(method, `/${id}${suffix}`, body, { 'If-Match': tag }), 412)
      }
    }
  })

  await checkEach(run, 'preconditions', 'If-Match on a missing row is a 404', async (rows) => {
    for (const { method, suffix, body } of writesOf(rows)) {
      expectProblem(await rows.send(method, `/${newId()}${suffix}`, body, { 'If-Match': '"1"' }), 404)
    }
  })
}

function tagOf(revision: number): string {
  return `"${revision}"`
}

function writesOf({ make, resource }: Rows): Write[] {
  return [
    { method: 'PUT', suffix: '', body: make.full() },
    { method: 'PATCH', suffix: '', body: make.change() },
    { method: 'DELETE', suffix: '', body: undefined },
    ...resource.verbs.map((verb) => ({ ...verb, body: undefined })),
  ]
}
