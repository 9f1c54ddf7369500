import { expectEqual, expectStatus, expectThat } from './expect.ts'
import { check, rowsOf, type Run } from './run.ts'

/** What comes with every answer (contract §5, §7). What holds for all of them is watched over the whole run. */
export async function headers(run: Run): Promise<void> {
  const [first] = run.api.resources
  if (!first) return

  await check(
    run,
    'headers',
    "a request keeps its caller's well-formed X-Request-Id, and gets one otherwise",
    async () => {
      for (const id of ['a', 'A-b_9', 'x'.repeat(64)]) {
        const answer = await run.client.get('/api/me/changes', run.mine, { 'X-Request-Id': id })
        expectEqual(answer.headers.get('X-Request-Id'), id, 'X-Request-Id', answer)
      }
      for (const id of ['a b', 'x'.repeat(65), 'é', '<script>']) {
        const answer = await run.client.get('/api/me/changes', undefined, { 'X-Request-Id': id })
        const came = answer.headers.get('X-Request-Id') ?? ''
        expectThat(came !== id && /^[\w-]{1,64}$/.test(came), 'an X-Request-Id of its own', came, answer)
      }
    },
  )

  await check(run, 'headers', 'a write is read at once by whoever sends its x-d1-bookmark back', async () => {
    const rows = await rowsOf(run, first)
    for (let n = 0; n < 5; n += 1) {
      const created = await rows.send('POST', '', rows.make.full())
      const at = expectStatus(created, 201).headers.get('Location') ?? ''
      const bookmark = created.headers.get('x-d1-bookmark') ?? ''
      // A deployment without replicas sends none, and needs none.
      const read = await run.client.get(at, run.mine, bookmark ? { 'x-d1-bookmark': bookmark } : {})
      expectEqual(expectStatus(read, 200).text, created.text, 'the row', read)
    }
    for (const bookmark of ['x', '00000000-00000000-00000000-0', 'é', `' OR 1`]) {
      const answer = await run.client.get(rows.path, run.mine, { 'x-d1-bookmark': bookmark })
      expectStatus(answer, 200)
    }
  })

  await check(run, 'headers', 'an answer says what it cost', async () => {
    const answer = await run.client.get(`/api/me${first.path}`, run.mine)
    for (const name of ['x-d1-rows-read', 'x-d1-rows-written']) {
      expectThat(/^\d+$/.test(answer.headers.get(name) ?? ''), name, answer.headers.get(name), answer)
    }
    const timing = answer.headers.get('Server-Timing') ?? ''
    expectThat(
      /\bauth;dur=/.test(timing) && /\bdb;dur=/.test(timing),
      'Server-Timing of auth and db',
      timing,
      answer,
    )
  })
}
