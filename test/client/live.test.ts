import { expect, onTestFinished, test } from 'vitest'
import { createClient, type LiveEvent } from '../../client/src/index.ts'
import { newAccount, PASSWORD } from '../account.ts'
import { tokenFor } from '../client.ts'
import { newDevice, newLiveDevice, titlesIn } from './device.ts'
import { lines, network, newClient } from './network.ts'

const title = 'Water the plants'
const pullsOf = (sent: Request[]) => sent.filter(({ url }) => url.includes('/changes'))
const settled = () => new Promise((resolve) => setTimeout(resolve, 100))

test('what is written elsewhere is here at once, and asked for once', async () => {
  const { copy, user, sent } = await newLiveDevice()
  sent.length = 0
  const { body: task } = await user.call('POST', '/tasks', { title })
  await expect.poll(() => titlesIn(copy)).toEqual([title])
  await user.call('PATCH', `/tasks/${task.id}`, { title: 'Water them again' })
  await expect.poll(() => titlesIn(copy)).toEqual(['Water them again'])
  expect(pullsOf(sent)).toHaveLength(2)
  expect([copy.status, copy.live]).toEqual(['ready', true])
})

test('the echo of its own writes is dropped, and what others wrote between them is not', async () => {
  const { copy, user, sent } = await newLiveDevice()
  sent.length = 0
  const ids: string[] = []
  for (let at = 0; at < 5; at += 1) {
    ids.push(await copy.create('tasks', { title: `Task ${at}` }))
    await expect.poll(() => copy.pending.length).toBe(0)
  }
  for (const id of ids) await copy.update('tasks', id, { priority: 'high' })
  await expect.poll(() => copy.pending.length).toBe(0)
  await settled()
  expect([pullsOf(sent), sent.length > 5]).toEqual([[], true])
  await user.call('POST', '/tasks', { title: 'Theirs' })
  await copy.create('tasks', { title: 'Mine' })
  await expect.poll(() => titlesIn(copy)).toContain('Theirs')
  await expect.poll(() => copy.pending.length).toBe(0)
  const { body } = await user.call('GET', '/tasks')
  await expect.poll(() => copy.rows('tasks')).toEqual(body.tasks)
})

test('what was deleted can be undone before anything is heard of it', async () => {
  const { copy, user } = await newLiveDevice(undefined, (message) => !message.includes('changed'))
  const id = await copy.create('tasks', { title })
  await expect.poll(() => copy.pending.length).toBe(0)
  await copy.delete('tasks', id)
  await expect.poll(() => copy.pending.length).toBe(0)
  await copy.restore('tasks', id)
  await expect.poll(() => copy.pending.length).toBe(0)
  expect([titlesIn(copy), copy.refused]).toEqual([[title], []])
  expect((await user.call('GET', `/tasks/${id}`)).status).toBe(200)
})

test('a line that was cut comes back, and brings what was missed', async () => {
  const { copy, user, line } = await newLiveDevice()
  line.cut()
  expect(copy.live).toBe(false)
  await user.call('POST', '/tasks', { title })
  await expect.poll(() => copy.live).toBe(true)
  await expect.poll(() => titlesIn(copy)).toEqual([title])
  copy.stop()
  expect([copy.live, line.open]).toEqual([false, 0])
})

test.each([
  ['where the route is a 404', () => Promise.reject(new TypeError('refused with 404'))],
  ['where the line is blocked', () => new Promise<never>(() => {})],
])('%s a copy asks every few seconds', async (_, webSocket) => {
  const { client, user } = await newClient(undefined, { webSocket })
  const copy = await client.sync()
  copy.start(20)
  onTestFinished(() => copy.stop())
  await copy.sync()
  await user.call('POST', '/tasks', { title })
  await expect.poll(() => titlesIn(copy)).toEqual([title])
  expect(copy.live).toBe(false)
})

test('hints can be had without a copy, of one’s own rows and of another owner’s', async () => {
  const { client, user } = await newClient(undefined, { webSocket: lines().webSocket })
  const heard: LiveEvent[] = []
  const close = client.events((event) => heard.push(event))
  await expect.poll(() => heard).toEqual([{ type: 'ready' }])
  const { body: task } = await user.call('POST', '/tasks', { title })
  await expect
    .poll(() => heard.slice(1))
    .toEqual([{ type: 'changed', bookmark: null, revisions: { tasks: task.revision } }])
  close()
  await user.call('POST', '/tasks', { title })
  await settled()
  expect(heard).toHaveLength(2)

  const admin = await newClient(undefined, {
    token: await tokenFor(`admin-${crypto.randomUUID()}`, { role: 'admin' }),
    webSocket: lines().webSocket,
  })
  const theirs = admin.client.owner(user.id)
  const copy = await theirs.sync()
  copy.start(1e9)
  onTestFinished(() => copy.stop())
  await expect.poll(() => copy.live).toBe(true)
  await user.call('POST', '/tasks', { title: 'For both' })
  await expect.poll(() => titlesIn(copy)).toEqual(['For both', title, title])
  await copy.create('tasks', { title: 'By the admin' })
  await expect.poll(() => copy.pending.length).toBe(0)
  const { body } = await user.call('GET', '/tasks')
  expect(body.tasks[0]).toMatchObject({ title: 'By the admin', user_id: user.id })
})

/** A client of an account of its own that is logged in, with what it hears. */
async function newMember() {
  const account = await newAccount()
  const line = lines()
  const signedOut: string[] = []
  const client = createClient({
    baseUrl: 'https://api.test',
    fetch: network().fetch,
    webSocket: line.webSocket,
    onSignedOut: () => signedOut.push('signed out'),
  })
  await client.login({ email: account.email, password: PASSWORD })
  const heard: string[] = []
  onTestFinished(client.events(({ type }) => heard.push(type)))
  await expect.poll(() => heard).toEqual(['ready'])
  return { account, client, line, signedOut, heard }
}

test('after a logout not one hint is heard', async () => {
  const { account, client, line, signedOut, heard } = await newMember()
  const copy = await client.sync()
  copy.start(1e9)
  onTestFinished(() => copy.stop())
  await expect.poll(() => copy.live).toBe(true)
  await client.logout()
  expect([copy.live, line.open]).toEqual([false, 0])
  await account.request('POST', '/api/me/tasks', { title })
  await settled()
  expect([heard, signedOut, titlesIn(copy)]).toEqual([['ready', 'ended'], [], []])
  await client.login({ email: account.email, password: PASSWORD })
  await copy.sync()
  await expect.poll(() => copy.live).toBe(true)
  expect(titlesIn(copy)).toEqual([title])
})

test('a session that is ended elsewhere ends what is heard, and says so once', async () => {
  const { account, client, line, signedOut, heard } = await newMember()
  await account.request('POST', '/api/auth/logout', { all: true })
  await expect.poll(() => heard).toEqual(['ready', 'ended'])
  expect([signedOut, line.open, await client.signedIn()]).toEqual([['signed out'], 0, false])
})

test('an account that is erased ends what is heard', async () => {
  const { client, line, heard } = await newMember()
  await client.erase()
  await expect.poll(() => heard).toEqual(['ready', 'ended'])
  expect(line.open).toBe(0)
})

test('what is queued offline is sent when the line is back, and a second device has it', async () => {
  const { copy, user } = await newLiveDevice()
  const offline = await newDevice(user.id)
  offline.air.plane = true
  await offline.copy.create('tasks', { title })
  offline.air.plane = false
  await offline.copy.sync()
  await expect.poll(() => titlesIn(copy)).toEqual([title])
})

test('a team’s rows are kept in a copy of their own, with who made each, until one is no member any more', async () => {
  const [ada, bob] = [await newLiveDevice(), await newLiveDevice()]
  const { body: team } = await ada.user.request('POST', '/api/teams', { name: 'Garden' })
  const { body: invitation } = await ada.user.request('POST', `/api/teams/${team.id}/invitations`, {
    role: 'editor',
  })
  await bob.user.request('POST', '/api/invitations/accept', { token: invitation.token })
  const copies = []
  for (const { client } of [ada, bob]) {
    const copy = await client.owner(team.id).sync()
    onTestFinished(() => copy.stop())
    copy.start(1e9)
    await expect.poll(() => copy.live).toBe(true)
    copies.push(copy)
  }
  const [hers, his] = copies
  if (!hers || !his) expect.fail('no copies')
  const id = await his.create('tasks', { title: 'Plant the beans' })
  expect(his.row('tasks', id)).toMatchObject({ user_id: team.id, created_by: bob.user.id })
  await expect.poll(() => titlesIn(hers)).toEqual(['Plant the beans'])
  await expect.poll(() => his.row('tasks', id)).toEqual(hers.row('tasks', id))
  expect(hers.row('tasks', id)).toMatchObject({ user_id: team.id, created_by: bob.user.id })
  expect([titlesIn(ada.copy), titlesIn(bob.copy)]).toEqual([[], []])

  await ada.user.request('DELETE', `/api/teams/${team.id}/members/${bob.user.id}`)
  await expect.poll(() => his.live).toBe(false)
  await hers.create('tasks', { title: 'Not his' })
  await expect.poll(() => hers.pending.length).toBe(0)
  await expect(his.sync()).rejects.toMatchObject({ type: 'not_your_path' })
  expect([his.status, titlesIn(his), bob.copy.live]).toEqual(['stopped', ['Plant the beans'], true])
})
