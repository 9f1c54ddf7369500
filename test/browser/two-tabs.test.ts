import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { useBrowser } from './browser.ts'
import { openHarness, run } from '../../load/harness.ts'

const chromium = useBrowser()
const PASSWORD = 'correct horse battery'

/** Two tabs of one browser, each with a client, and two people who have accounts. */
async function newTabs(options: string) {
  const { page, tab, close } = await chromium.open(chromium.url)
  const tabs = [await openHarness(page, chromium.url), await openHarness(await tab(), chromium.url)] as const
  const [ada, bob] = [account(), account()]
  for (const each of tabs) await run(each, `client = freehold.createClient(${options})`)
  for (const { email, password } of [ada, bob]) {
    await run(page, `await client.register(${JSON.stringify({ email, password })})`)
  }
  return { tabs, ada, bob, close }
}

const account = () => ({ email: `${randomUUID()}@example.com`, password: PASSWORD })
const signIn = (who: object) => `await client.login(${JSON.stringify(who)})`

/** The rows of a user on the server, asked from outside the browser. */
async function titlesOf(who: object): Promise<string[]> {
  const headers = { 'Content-Type': 'application/json' }
  const login = await fetch(`${chromium.url}/api/auth/login`, {
    method: 'POST',
    headers,
    body: JSON.stringify(who),
  })
  const { access_token } = (await login.json()) as { access_token: string }
  const authorized = { headers: { Authorization: `Bearer ${access_token}` } }
  const answer = await fetch(`${chromium.url}/api/me/tasks`, authorized)
  const { tasks } = (await answer.json()) as { tasks: { title: string }[] }
  return tasks.map(({ title }) => title)
}

test.each([
  ['tokens', '{ storage: localStorage }'],
  ['cookies', '{ cookies: true }'],
])(
  'what one person queued never lands with another who signs in in a second tab, by %s',
  async (_, options) => {
    const { tabs, ada, bob, close } = await newTabs(options)
    const [first, second] = tabs
    await run(first, `${signIn(ada)}; copy = await client.sync({ storage: localStorage }); await copy.sync()`)
    await run(first, `await copy.create('tasks', { title: 'Ada’s, sent' }); await copy.sync()`)
    await first.context().setOffline(true)
    await run(first, `await copy.create('tasks', { title: 'Ada’s, queued' })`)
    await first.context().setOffline(false)

    await run(second, `${signIn(bob)}; await client.post('/tasks', { body: { title: 'Bob’s' } })`)
    const trySync = `return copy.sync().then(() => 'synced', ({ name }) => name)`
    expect(await run(first, trySync)).toBe('OtherUserError')
    const seen = `return [copy.rows('tasks').map(({ title }) => title), copy.pending.length]`
    expect(await run(first, seen)).toEqual([['Ada’s, queued', 'Ada’s, sent'], 1])
    expect(await titlesOf(bob)).toEqual(['Bob’s'])
    expect(await titlesOf(ada)).toEqual(['Ada’s, sent'])

    // The copy is still hers: it resumes when she is back.
    await run(second, signIn(ada))
    expect(await run(first, trySync)).toBe('synced')
    expect(await run(first, seen)).toEqual([['Ada’s, queued', 'Ada’s, sent'], 0])
    expect(await titlesOf(ada)).toEqual(['Ada’s, queued', 'Ada’s, sent'])
    expect(await titlesOf(bob)).toEqual(['Bob’s'])
    await close()
  },
)

test.each([
  ['tokens', '{ storage: localStorage }'],
  ['cookies', '{ cookies: true }'],
])('a request is not sent again as whoever signed in while it was under way, by %s', async (_, options) => {
  const { tabs, ada, bob, close } = await newTabs(options)
  const [first, second] = tabs
  await run(first, `${signIn(ada)}; await client.get('/tasks')`)
  // Her request is held, and refused as one whose token has expired, after he has signed in.
  let refusals = 0
  await first.route('**/tasks', async (route) => {
    refusals += 1
    if (refusals > 1) return route.continue()
    await run(second, signIn(bob))
    const problem = { type: '/docs/problems#invalid_token', title: 'Invalid token', status: 401 }
    return route.fulfill({ status: 401, contentType: 'application/problem+json', json: problem })
  })
  const answer = await run(
    first,
    `return client.post('/tasks', { body: { title: 'Ada’s' } }).then(() => 'done', ({ name }) => name)`,
  )
  expect([answer, refusals]).toEqual(['OtherUserError', 1])
  expect([await titlesOf(ada), await titlesOf(bob)]).toEqual([[], []])
  await close()
})

test('erasing the account in a tab of the former user erases nobody', async () => {
  const { tabs, ada, bob, close } = await newTabs('{ cookies: true }')
  const [first, second] = tabs
  await run(first, `${signIn(ada)}; await client.me()`)
  await run(second, `${signIn(bob)}; await client.post('/tasks', { body: { title: 'Bob’s' } })`)
  expect(await run(first, `return client.erase().catch(({ type }) => type)`)).toBe('not_your_path')
  expect([await titlesOf(ada), await titlesOf(bob)]).toEqual([[], ['Bob’s']])
  await close()
})

test('a redirect takes no credentials to another origin', async () => {
  const { tabs, ada, close } = await newTabs('{ storage: localStorage }')
  const [first] = tabs
  await run(first, signIn(ada))
  const elsewhere: string[] = []
  await first.route('http://127.0.0.1:9/**', (route) => {
    elsewhere.push(route.request().url())
    return route.abort()
  })
  await first.route('**/tasks', (route) =>
    route.fulfill({ status: 307, headers: { Location: 'http://127.0.0.1:9/steal' } }),
  )
  const answer = await run(first, `return client.get('/tasks').catch(({ name, message }) => [name, message])`)
  expect(answer).toEqual(['ProblemError', 'Redirects are not followed'])
  expect(elsewhere).toEqual([])
  await close()
})
