import type { User } from './client.ts'
import { listenBySocket, listenByStream, type Ears } from './ears.ts'
import { expectEqual, expectProblem, expectRow, expectStatus } from './expect.ts'
import { check, rowsOf, type Rows, type Run } from './run.ts'
import { auth, login, newAccount } from './users.ts'

const PATH = '/api/me/events'
/** How many connections a session may have. */
const MOST = 10

/** Changes are heard of at once, by their owner alone, and only while the session lives (contract §10). */
export async function live(run: Run): Promise<void> {
  const { client, mine, other } = run
  const [resource] = run.api.resources
  // Without a stream or an upgrade to answer with, the route refuses: unless it is not there.
  const { status } = await client.get(PATH, mine)
  if (status === 404 || !resource) {
    const reason = 'LIVE is off on this deployment'
    run.report.add({ subject: 'live', name: 'changes are heard of at once', outcome: 'not checked', reason })
    return
  }

  await check(run, 'live', 'a plain request is a 406, and one without credentials a 401', async () => {
    expectProblem(await client.get(PATH, mine), 406)
    for (const headers of [{}, { Accept: 'text/event-stream' }]) {
      expectProblem(await client.send({ method: 'GET', path: PATH, headers }), 401)
    }
    expectProblem(await client.get('/api/somebody-else/events', mine), 403)
    expectStatus(await client.send({ method: 'POST', path: PATH, as: mine }), 405)
  })

  for (const [name, listen] of [
    ['a WebSocket', listenBySocket],
    ['a stream of events', listenByStream],
  ] as const) {
    await check(run, 'live', `${name} hears of every kind of write, in order`, async () => {
      const rows = await rowsOf(run, resource)
      const ears = await listen(run, mine)
      try {
        for (const revision of await everyWrite(rows)) await heard(ears, resource.name, revision)
        const told = ears.hints.map(({ revisions }) => revisions[resource.name] ?? 0)
        expectEqual(
          told,
          told.toSorted((one, next) => one - next),
          'revisions that only grow:',
        )
      } finally {
        ears.close()
      }
    })
  }

  await check(run, 'live', 'ping is answered with pong, and anything else closes with 1003', async () => {
    const ears = await listenBySocket(run, mine)
    ears.send('ping')
    await ears.hear('pong', (text) => text === 'pong')
    ears.send('hello')
    expectEqual(await ears.closed(), 1003, 'the code')
  })

  const isolated = "a user's hints reach nobody else"
  if (other) {
    await check(run, 'live', isolated, async () => {
      const [ours, theirs] = [await rowsOf(run, resource), await rowsOf(run, resource, other)]
      const ears = await listenBySocket(run, other)
      try {
        const own: number[] = []
        for (let round = 0; round < 5; round += 1) {
          await ours.create()
          own.push((await theirs.create()).revision)
        }
        await heard(ears, resource.name, own.at(-1) ?? 0)
        const foreign = ears.hints.flatMap(({ revisions }) =>
          Object.values(revisions).filter((revision) => !own.includes(revision)),
        )
        expectEqual(foreign, [], 'hints of the own revisions alone, others')
      } finally {
        ears.close()
      }
    })
  } else {
    const reason = 'it takes two users: give --token twice'
    run.report.add({ subject: 'live', name: isolated, outcome: 'not checked', reason })
  }

  await endings(run)
}

/** What ends connections, on accounts that are made for it. */
async function endings(run: Run): Promise<void> {
  const { client } = run
  if (run.lent || !run.api.accounts) {
    const reason = run.lent ? 'the users were lent with --token' : 'this deployment keeps no accounts'
    run.report.add({ subject: 'live', name: 'what ends a connection', outcome: 'not checked', reason })
    return
  }

  await check(run, 'live', 'logging out ends the connections of that session alone', async () => {
    const account = await newAccount(client, 'D')
    const second: User = { ...account, ...(await login(client, account)) }
    const [ended, kept, stream] = [
      await listenBySocket(run, account),
      await listenBySocket(run, second),
      await listenByStream(run, account),
    ]
    expectStatus(await auth(client, 'POST', '/logout', {}, account), 204)
    expectEqual([await ended.closed(), await stream.closed()], [4401, 4401], 'the codes')
    kept.send('ping')
    await kept.hear('pong', (text) => text === 'pong')
    kept.close()
  })

  await check(run, 'live', `of more than ${MOST} connections of a session the oldest is closed`, async () => {
    const account = await newAccount(client, 'D')
    const all: Ears[] = []
    for (let opened = 0; opened <= MOST; opened += 1) all.push(await listenBySocket(run, account))
    expectEqual(await all[0]?.closed(), 4429, 'the code')
    for (const ears of all) ears.close()
  })

  await check(run, 'live', 'erasing the account ends its connections', async () => {
    const account = await newAccount(client, 'D')
    const ears = await listenBySocket(run, account)
    expectStatus(await client.send({ method: 'DELETE', path: '/api/me', as: account }), 204)
    expectEqual(await ears.closed(), 4410, 'the code')
  })
}

/** Creates, changes, deletes and restores. Resolves to the revision after each. */
async function everyWrite(rows: Rows): Promise<number[]> {
  const row = await rows.create()
  const at = `/${row.id}`
  const changed = expectRow(await rows.send('PATCH', at, rows.make.change()))
  expectStatus(await rows.send('DELETE', at), 204)
  const restored = expectRow(await rows.send('POST', `${at}/restore`))
  const operations = [{ op: 'create', data: rows.make.full() }]
  expectStatus(await rows.send('POST', '/bulk', { operations }), 200)
  return [row, changed, restored].map(({ revision }) => revision)
}

async function heard(ears: Ears, collection: string, revision: number): Promise<void> {
  await ears.hear(`a hint of ${collection} at ${revision}`, (_, hint) => {
    return (hint?.revisions[collection] ?? 0) >= revision
  })
}
