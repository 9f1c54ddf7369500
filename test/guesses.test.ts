import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import worker from '../src/index.ts'
import { logIn, newAccount, newEmail, PASSWORD } from './account.ts'
import { newAddress, type Json } from './client.ts'
import { problemOf } from './stored.ts'

const FREE = 5

/** Guesses wrongly so many times from one address; the statuses. */
async function guess(email: string, address: string, times: number): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < times; i += 1) {
    statuses.push((await logIn(email, `guess ${i}`, { 'CF-Connecting-IP': address })).status)
  }
  return statuses
}

/** Lets the waits of all guesses pass. */
async function waitOver(): Promise<void> {
  await env.DB.prepare(`UPDATE guesses SET blocked_until = '2000-01-01T00:00:00.000Z'`).run()
}

describe.each([
  ['an account', async () => (await newAccount()).email],
  ['an e-mail without one', async () => newEmail()],
])('wrong passwords for %s', (_, newTarget) => {
  test('make the guesser wait, ever longer', async () => {
    const [email, address] = [await newTarget(), newAddress()]
    expect(await guess(email, address, FREE)).toEqual(Array.from({ length: FREE }, () => 401))
    const waits: number[] = []
    for (let i = 0; i < 4; i += 1) {
      const { results } = await env.DB.prepare(
        `SELECT max(round((julianday(blocked_until) - julianday('now')) * 86400)) AS wait FROM guesses WHERE address = ?`,
      )
        .bind(address.replace(/(:[^:]*)::1$/, '$1::/64'))
        .all<{ wait: number }>()
      waits.push(results[0]?.wait ?? 0)
      await waitOver()
      await guess(email, address, 1)
    }
    expect(waits.every((wait, at) => at === 0 || wait >= (waits[at - 1] ?? 0))).toBe(true)
    expect(waits[3]).toBeGreaterThan(4)
    const refused = await logIn(email, PASSWORD, { 'CF-Connecting-IP': address })
    expect(problemOf(refused)).toEqual([429, 'rate_limited'])
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(4)
    expect(refused.headers.get('x-d1-rows-read')).toBeNull()
  })
})

test('a stranger’s guesses do not lock the owner out', async () => {
  const { email } = await newAccount()
  const statuses = await guess(email, newAddress(), FREE + 3)
  expect(statuses.at(-1)).toBe(429)
  expect((await logIn(email)).status).toBe(200)
})

test('a right password makes good for the wrong ones', async () => {
  const { email } = await newAccount()
  const address = newAddress()
  await guess(email, address, FREE - 1)
  expect((await logIn(email, PASSWORD, { 'CF-Connecting-IP': address })).status).toBe(200)
  expect(await guess(email, address, FREE)).toEqual(Array.from({ length: FREE }, () => 401))
})

test('wrong current passwords make the session wait, and the login does not', async () => {
  const { email, request } = await newAccount()
  const change = (current_password: string) =>
    request('PUT', '/api/auth/password', {
      current_password,
      new_password: 'another password that nobody has',
    })
  const statuses: number[] = []
  for (let i = 0; i < FREE + 3; i += 1) statuses.push((await change(`guess ${i}`)).status)
  expect(statuses.slice(0, FREE)).toEqual(Array.from({ length: FREE }, () => 401))
  expect(statuses.at(-1)).toBe(429)
  expect((await logIn(email)).status).toBe(200)
})

test('a failed login leaves the same rows whether there is an account or not', async () => {
  const known = await newAccount()
  const rowsOf = async (email: string) => {
    const tables = ['guesses', 'activity', 'proofs', 'sessions', 'users']
    const count = async () =>
      Promise.all(
        tables.map((name) => env.DB.prepare(`SELECT count(*) AS rows FROM ${name}`).first<number>('rows')),
      )
    const before = await count()
    await guess(email, newAddress(), 2)
    return (await count()).map((rows, at) => (rows ?? 0) - (before[at] ?? 0))
  }
  const left = await rowsOf(known.email)
  expect(await rowsOf(newEmail())).toEqual(left)
  expect(left).toEqual([1, 2, 0, 0, 0])
})

test('the cron trigger forgets what was noted of e-mails without an account, and old counts', async () => {
  const known = await newAccount()
  await guess(known.email, newAddress(), 1)
  await guess(newEmail(), newAddress(), 1)
  await env.DB.prepare(`UPDATE guesses SET ends_at = '2000-01-01T00:00:00.000Z' WHERE user_id = ?`)
    .bind(known.id)
    .run()
  await worker.scheduled(createScheduledController(), env)
  const { results } = await env.DB.prepare(
    `SELECT user_id, event FROM activity WHERE user_id = ? OR user_id LIKE '?%' ORDER BY id`,
  )
    .bind(known.id)
    .all<Json>()
  expect(results.map(({ event }) => event)).toEqual(['login_password', 'login_failed'])
  const counts = await env.DB.prepare('SELECT count(*) AS rows FROM guesses WHERE user_id = ?')
    .bind(known.id)
    .first('rows')
  expect(counts).toBe(0)
})
