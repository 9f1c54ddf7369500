import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { loginWith, newAccount, newEmail, PASSWORD, refresh } from './account.ts'
import { createPasskey, usePasskey } from './authenticator.ts'
import type { Answer, Json } from './client.ts'
import { countedDatabase, deploy } from './deployment.ts'
import worker from '../src/index.ts'
import { ask } from './rows.ts'

const here = deploy({ GUESTS: 'on' })
const problemOf = ({ status, body }: Answer) => [status, body?.type?.replace('/docs/problems#', '')]

async function newGuest() {
  const { status, body } = await here('POST', '/api/auth/guest')
  expect(status).toBe(201)
  const { access } = loginWith(body)
  const request = (method: string, path: string, sent?: unknown) =>
    here(method, path, { body: sent, headers: { Authorization: `Bearer ${access}` } })
  const id: string = (await request('GET', '/api/auth/me')).body.id
  const { body: task } = await request('POST', '/api/me/tasks', { title: 'before signing up' })
  return { id, access, refreshToken: body.refresh_token as string, request, task }
}

/** Moves all that a guest did so many days into the past. */
async function age(id: string, days: number) {
  const back = (column: string) => `${column} = strftime('%Y-%m-%dT%H:%M:%fZ', ${column}, '-${days} days')`
  await env.DB.batch([
    env.DB.prepare(`UPDATE users SET ${['created_at', 'updated_at'].map(back).join()} WHERE id = ?`).bind(id),
    env.DB.prepare(
      `UPDATE sessions SET ${['created_at', 'last_used_at', 'ends_at', 'expires_at'].map(back).join()} WHERE user_id = ?`,
    ).bind(id),
  ])
}
const purge = () => worker.scheduled?.({} as ScheduledController, env)
const rowsOf = async (id: string) => {
  const [users, sessions] = await env.DB.batch(
    ['users WHERE id', 'sessions WHERE user_id'].map((table) =>
      env.DB.prepare(`SELECT 1 FROM ${table} = ?`).bind(id),
    ),
  )
  const tasks = await ask(id, 'SELECT 1 FROM tasks WHERE user_id = ?', id)
  return [users?.results.length, tasks.length, sessions?.results.length]
}

describe('a guest', () => {
  test('has an account in one request and one round trip, and no e-mail', async () => {
    const { seen, DB } = countedDatabase()
    const answer = await deploy({ GUESTS: 'on', DB })('POST', '/api/auth/guest')
    expect([answer.status, seen.batches]).toEqual([201, 1])
    expect(Object.keys(answer.body)).toEqual(['access_token', 'token_type', 'expires_in', 'refresh_token'])
    const { request } = await newGuest()
    expect((await request('GET', '/api/auth/me')).body).toMatchObject({
      email: null,
      email_verified: false,
      role: 'user',
    })
    const byCookie = await here('POST', '/api/auth/guest?cookie=true')
    expect([byCookie.status, byCookie.headers.getSetCookie().length]).toEqual([201, 2])
  })

  test('is not taken in where that is off', async () => {
    for (const settings of [{}, { GUESTS: 'off' }]) {
      expect(problemOf(await deploy(settings)('POST', '/api/auth/guest'))).toEqual([404, 'not_found'])
    }
    expect(problemOf(await deploy({ GUESTS: 'on', ACCOUNTS: 'off' })('POST', '/api/auth/guest'))).toEqual([
      404,
      'accounts_off',
    ])
    expect(problemOf(await deploy({ GUESTS: 'yes' })('POST', '/api/auth/guest'))).toEqual([
      503,
      'misconfigured',
    ])
  })

  test('is limited by address', async () => {
    const limited = deploy({ GUESTS: 'on', ADDRESS_LIMIT: { limit: async () => ({ success: false }) } })
    expect(problemOf(await limited('POST', '/api/auth/guest'))).toEqual([429, 'rate_limited'])
  })

  test('becomes an ordinary account by an e-mail and a password, rows and session kept', async () => {
    const { id, request, task } = await newGuest()
    const email = newEmail()
    const { status, body } = await request('POST', '/api/auth/register', { email, password: PASSWORD })
    expect([status, body]).toEqual([201, expect.objectContaining({ id, email, email_verified: false })])
    expect((await request('GET', `/api/me/tasks/${task.id}`)).body).toEqual(task)
    const login = loginWith(
      (await here('POST', '/api/auth/login', { body: { email, password: PASSWORD } })).body,
    )
    expect((await login.request('GET', `/api/me/tasks/${task.id}`)).body).toEqual(task)
    // Then a registration makes another account, as everybody's does.
    const other = await request('POST', '/api/auth/register', { email: newEmail(), password: PASSWORD })
    expect(other.body.id).not.toBe(id)
  })

  test('becomes one by an e-mail and a passkey', async () => {
    const { id, request, task } = await newGuest()
    const email = newEmail()
    const { body: options } = await request('POST', '/api/auth/register/passkey/options', { email })
    const { passkey, answer } = createPasskey(options)
    // The options were made for the guest: nobody else can use them.
    expect(problemOf(await here('POST', '/api/auth/register', { body: { email, passkey: answer } }))).toEqual(
      [422, 'invalid_passkey'],
    )
    const { status, body } = await request('POST', '/api/auth/register', { email, passkey: answer })
    expect([status, body.id, body.email]).toEqual([201, id, email])
    const { body: happened } = await request('GET', '/api/auth/activity')
    const added = happened.activity.filter(({ event }: Json) => event === 'passkey_added')
    expect(added).toMatchObject([{ session_id: expect.any(String) }])
    const { body: asking } = await here('POST', '/api/auth/login/passkey/options')
    const login = await here('POST', '/api/auth/login/passkey', { body: usePasskey(passkey, asking) })
    expect((await loginWith(login.body).request('GET', `/api/me/tasks/${task.id}`)).body).toEqual(task)
  })

  test('becomes one by a passkey alone, which is a way in', async () => {
    const { id, request } = await newGuest()
    const { body: options } = await request('POST', '/api/auth/passkeys/options')
    expect(options.user.name).toBe('Guest')
    const { passkey, answer } = createPasskey(options)
    expect((await request('POST', '/api/auth/passkeys', answer)).status).toBe(201)
    await age(id, 31)
    await purge()
    const { body: asking } = await here('POST', '/api/auth/login/passkey/options')
    expect(
      (await here('POST', '/api/auth/login/passkey', { body: usePasskey(passkey, asking) })).status,
    ).toBe(200)
  })

  test('needs no recent login, which a guest could not make', async () => {
    const { id, request } = await newGuest()
    await env.DB.prepare(`UPDATE sessions SET created_at = '2026-01-01T00:00:00.000Z' WHERE user_id = ?`)
      .bind(id)
      .run()
    const { body: options } = await request('POST', '/api/auth/passkeys/options')
    expect((await request('POST', '/api/auth/passkeys', createPasskey(options).answer)).status).toBe(201)
    const { body: more } = await request('POST', '/api/auth/passkeys/options')
    const late = await request('POST', '/api/auth/passkeys', createPasskey(more).answer)
    expect(problemOf(late)).toEqual([403, 'reauthentication_required'])
  })

  test('cannot take an e-mail that somebody has, and fifty at once take it once', async () => {
    const { email: taken } = await newAccount()
    const { request } = await newGuest()
    expect(
      problemOf(await request('POST', '/api/auth/register', { email: taken, password: PASSWORD })),
    ).toEqual([409, 'email_taken'])
    const email = newEmail()
    const { body: options } = await request('POST', '/api/auth/register/passkey/options', { email })
    const { answer: passkey } = createPasskey(options)
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => request('POST', '/api/auth/register', { email, passkey })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.every(({ status }) => status < 500)).toBe(true)
  })

  test('whose token is bad is told so, and makes no second account by mistake', async () => {
    const body = { email: newEmail(), password: PASSWORD }
    const answer = await here('POST', '/api/auth/register', {
      body,
      headers: { Authorization: 'Bearer not.a.token' },
    })
    expect(problemOf(answer)).toEqual([401, 'invalid_token'])
  })

  test('may stay away for thirty days, and then is erased with every row', async () => {
    const [back, gone] = [await newGuest(), await newGuest()]
    await age(back.id, 29)
    await age(gone.id, 31)
    await purge()
    expect(await rowsOf(gone.id)).toEqual([0, 0, 0])
    expect(await rowsOf(back.id)).toEqual([1, 1, 1])
    const { status } = await refresh(back.refreshToken)
    expect(status).toBe(200)
    // Each use counts from then on, however long they have been here.
    await age(back.id, 29)
    await purge()
    expect(await rowsOf(back.id)).toEqual([1, 1, 1])
  })

  test('goes with a team of their own, and stays for one that has nobody else to own it', async () => {
    const [alone, last, gone] = [await newGuest(), await newGuest(), await newGuest()]
    const teams: string[] = []
    for (const guest of [alone, last]) {
      const { body } = await guest.request('POST', '/api/teams', { name: 'Guests' })
      await guest.request('POST', `/api/${body.id}/tasks`, { title: 'shared' })
      teams.push(body.id)
    }
    const { body } = await last.request('POST', `/api/teams/${teams[1]}/invitations`, { role: 'viewer' })
    const member = await newGuest()
    const joined = await member.request('POST', '/api/invitations/accept', { token: body.token })
    expect(joined.status).toBe(200)
    for (const { id } of [alone, last, gone]) await age(id, 31)
    await purge()
    for (const id of [alone.id, gone.id]) expect(await rowsOf(id)).toEqual([0, 0, 0])
    expect((await rowsOf(last.id))[0]).toBe(1)
    expect((await member.request('GET', `/api/${teams[1]}/tasks`)).body.count).toBe(1)
    const team = teams[0] ?? ''
    expect(await ask(team, 'SELECT 1 FROM tasks WHERE user_id = ?', team)).toEqual([])
  })

  test('no longer a guest is never erased, and its sessions live as long as anybody’s', async () => {
    const { id, request } = await newGuest()
    await request('POST', '/api/auth/register', { email: newEmail(), password: PASSWORD })
    const { body } = await request('GET', '/api/auth/sessions')
    const [session] = body.sessions as Json[]
    expect(Date.parse(session.expires_at) - Date.now()).toBeLessThanOrEqual(30 * 86_400_000)
    await age(id, 40)
    await purge()
    expect((await rowsOf(id))[0]).toBe(1)
  })
})
