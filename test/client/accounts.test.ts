import { expect, test } from 'vitest'
import { createClient, type ClientOptions } from '../../client/src/index.ts'
import { newEmail, newLogin, PASSWORD } from '../account.ts'
import { tokenFor } from '../client.ts'
import { network, newClient, type FaultOf } from './network.ts'

/** A browser's storage, which several clients share as tabs do. */
function newStorage() {
  const items = new Map<string, string>()
  /** Changes what is kept of the session. */
  const spoil = (change: object) => {
    const [[key, text] = ['', '{}']] = items
    items.set(key, JSON.stringify({ ...JSON.parse(text), ...change }))
  }
  return {
    items,
    /** As if the access token were about to expire. */
    age: () => spoil({ renew_at: 0 }),
    /** As if it had expired already by the server's clock. */
    expire: () => spoil({ access_token: 'expired' }),
    getItem: async (key: string) => items.get(key) ?? null,
    setItem: async (key: string, value: string) => void items.set(key, value),
    removeItem: async (key: string) => void items.delete(key),
  }
}

/** A client of the API's own accounts, and how often it asked for what. */
function newVisitor(options: ClientOptions = {}, faultOf?: FaultOf) {
  const { sent, fetch } = network(faultOf)
  const client = createClient({ baseUrl: 'https://api.test', fetch, backoff: 1, ...options })
  return { client, count: (path: string) => sent.filter(({ url }) => url.endsWith(path)).length }
}

/** A visitor who has registered and signed in. */
async function newMember(options: ClientOptions = {}, faultOf?: FaultOf) {
  const storage = newStorage()
  const credentials = { email: newEmail(), password: PASSWORD }
  const visitor = newVisitor({ storage, ...options }, faultOf)
  const account = await visitor.client.register(credentials)
  await visitor.client.login(credentials)
  return { ...visitor, account, credentials, storage }
}

test('registering, signing in and out', async () => {
  const { client, count } = newVisitor()
  const credentials = { email: newEmail(), password: PASSWORD }
  const account = await client.register(credentials)
  await expect(client.register(credentials)).rejects.toMatchObject({ type: 'email_taken', status: 409 })
  await expect(client.get('/tasks')).rejects.toMatchObject({ type: 'missing_credentials' })
  expect(await client.signedIn()).toBe(false)
  await client.login(credentials)
  expect([await client.signedIn(), await client.me()]).toEqual([true, account])
  expect((await client.get('/tasks')).tasks).toEqual([])
  await client.logout()
  expect(await client.signedIn()).toBe(false)
  await expect(client.get('/tasks')).rejects.toMatchObject({ status: 401 })
  expect(count('/refresh')).toBe(0)
})

test('what goes out by mail is accepted, with nothing to read', async () => {
  const { client, credentials } = await newMember()
  // Without mail here; with it the answer is empty, and its type says so.
  await expect(client.forgot(credentials.email)).rejects.toMatchObject({ type: 'mail_unavailable' })
  const accepted = createClient({
    baseUrl: 'https://api.test',
    fetch: async () => new Response(null, { status: 202 }),
  })
  expect(await accepted.forgot(credentials.email)).toBeUndefined()
})

test('a wrong password is one guess: it is not sent again with other tokens', async () => {
  const { client, count } = await newMember()
  const change = { current_password: 'wrong horse battery', new_password: 'another horse battery' }
  await expect(client.changePassword(change)).rejects.toMatchObject({ type: 'invalid_credentials' })
  expect([count('/password'), count('/refresh')]).toEqual([1, 0])
})

test('sessions are listed and ended, and a new password ends the others', async () => {
  const { client, credentials } = await newMember()
  const second = newVisitor()
  await second.client.login(credentials)
  const { sessions } = await client.sessions()
  expect(sessions.filter(({ current }) => current)).toHaveLength(1)
  await client.endSession(String(sessions.find(({ current }) => !current)?.id))
  await expect(second.client.me()).rejects.toMatchObject({ status: 401 })
  await second.client.login(credentials)
  await client.changePassword({ current_password: PASSWORD, new_password: `${PASSWORD} else` })
  await expect(second.client.me()).rejects.toMatchObject({ status: 401 })
  expect((await client.sessions()).count).toBe(1)
})

test('an account that is erased is gone, and so are its tokens', async () => {
  const { client, credentials } = await newMember()
  await client.post('/tasks', { body: { title: 'One' } })
  await client.erase()
  expect(await client.signedIn()).toBe(false)
  await expect(client.login(credentials)).rejects.toMatchObject({ status: 401 })
})

test('signing out everywhere', async () => {
  const { client, credentials } = await newMember()
  const second = newVisitor()
  await second.client.login(credentials)
  await client.logout({ all: true })
  await expect(second.client.me()).rejects.toMatchObject({ status: 401 })
})

test.each(['age', 'expire'] as const)(
  '20 parallel requests refresh once when their token has to %s',
  async (how) => {
    const { client, count, storage } = await newMember()
    storage[how]()
    await Promise.all(Array.from({ length: 20 }, () => client.post('/tasks', { body: { title: 'One' } })))
    expect(count('/refresh')).toBe(1)
    expect((await client.get('/tasks')).count).toBe(20)
  },
)

test('a tab goes on with the token that another tab has got', async () => {
  const { client, storage } = await newMember()
  const other = newVisitor({ storage })
  storage.expire()
  await client.get('/tasks')
  expect((await other.client.get('/tasks')).count).toBe(0)
  expect(other.count('/refresh')).toBe(0)
})

test('a refresh whose answer was lost is asked for again, and the session goes on', async () => {
  let lost = 0
  const { client, count, storage } = await newMember({}, ({ url }) =>
    url.endsWith('/refresh') && (lost += 1) === 1 ? 'lost answer' : undefined,
  )
  storage.expire()
  expect((await client.get('/tasks')).count).toBe(0)
  storage.expire()
  expect((await client.get('/tasks')).count).toBe(0)
  expect(count('/refresh')).toBe(3)
})

test('a refused refresh signs out, and says so once', async () => {
  let told = 0
  const { client, count, credentials } = await newMember({ onSignedOut: () => (told += 1) })
  const elsewhere = await newLogin(credentials.email)
  await elsewhere.request('POST', '/api/auth/logout', { all: true })
  const refused = await Promise.allSettled(Array.from({ length: 5 }, () => client.get('/tasks')))
  expect(refused.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'rejected'))
  expect([told, count('/refresh'), await client.signedIn()]).toEqual([1, 1, false])
})

test('a refresh that the network swallows does not sign out', async () => {
  const air = { plane: true }
  const { client, storage } = await newMember({ retries: 1 }, ({ url }) =>
    air.plane && url.endsWith('/refresh') ? 'lost request' : undefined,
  )
  storage.expire()
  await expect(client.get('/tasks')).rejects.toMatchObject({ name: 'OfflineError' })
  air.plane = false
  expect((await client.get('/tasks')).count).toBe(0)
})

/** What a browser does of itself: it keeps cookies, and says where the page is from. */
function browser(fetch: NonNullable<ClientOptions['fetch']>) {
  const jar = new Map<string, string>()
  return {
    jar,
    fetch: async (request: Request) => {
      const headers = new Headers(request.headers)
      headers.set('Origin', 'https://api.test')
      headers.set('Cookie', Array.from(jar, ([name, value]) => `${name}=${value}`).join('; '))
      const response = await fetch(new Request(request, { headers }))
      for (const cookie of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
        if (value) jar.set(name, value)
        else jar.delete(name)
      }
      return response
    },
  }
}

test('with cookies it keeps no token, and refreshes what expired', async () => {
  const storage = newStorage()
  let told = 0
  const { sent, fetch: direct } = network()
  const { jar, fetch } = browser(direct)
  const onSignedOut = () => (told += 1)
  const { client } = newVisitor({ cookies: true, storage, fetch, onSignedOut })
  await expect(client.me()).rejects.toMatchObject({ status: 401 })
  const credentials = { email: newEmail(), password: PASSWORD }
  const account = await client.register(credentials)
  await client.login(credentials)
  expect(await client.me()).toEqual(account)
  jar.set('__Host-access_token', 'expired')
  expect((await client.post('/tasks', { body: { title: 'One' } })).title).toBe('One')
  await client.logout()
  await expect(client.me()).rejects.toMatchObject({ status: 401 })
  expect([storage.items.size, told]).toEqual([0, 0])
  expect(sent.some(({ headers }) => headers.has('Authorization'))).toBe(false)
})

test('a token from outside is asked for again when it is refused', async () => {
  const id = `user-${crypto.randomUUID()}`
  const good = await tokenFor(id)
  const asked: (string | undefined)[] = []
  const token = (refused?: string) => {
    asked.push(refused)
    return refused ? good : 'spoilt'
  }
  const { client } = await newClient(undefined, { id, token })
  expect((await client.get('/tasks')).count).toBe(0)
  expect(asked).toEqual([undefined, 'spoilt'])
})
