import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { newAccount, newLogin } from './account.ts'
import { call, newUser, tokenFor } from './client.ts'
import { problemOf } from './stored.ts'

const MINUTE = 60_000

/** Makes every session of an account so many minutes old. */
async function age(userId: string, minutes: number): Promise<void> {
  const at = new Date(Date.now() - minutes * MINUTE).toISOString()
  await env.DB.prepare('UPDATE sessions SET created_at = ? WHERE user_id = ?').bind(at, userId).run()
}

describe.each([
  ['exporting an account', 'GET', '/api/me/export', 200],
  ['erasing an account', 'DELETE', '/api/me', 204],
] as const)('%s', (_, method, path, success) => {
  test('needs a login of the last ten minutes', async () => {
    const account = await newAccount()
    await age(account.id, 11)
    expect(problemOf(await account.request(method, path))).toEqual([403, 'reauthentication_required'])
    expect((await account.request('GET', '/api/auth/me')).status).toBe(200)
    const again = await newLogin(account.email)
    expect((await again.request(method, path)).status).toBe(success)
  })

  test('is not too late after nine', async () => {
    const account = await newAccount()
    await age(account.id, 9)
    expect((await account.request(method, path)).status).toBe(success)
  })

  test('of an ended session is a 401', async () => {
    const account = await newAccount()
    await account.request('POST', '/api/auth/logout', {})
    expect(problemOf(await account.request(method, path))).toEqual([401, 'session_ended'])
  })

  test('is open to a token of an issuer without sessions, unless it says that its login is too old', async () => {
    const now = Math.floor(Date.now() / 1000)
    const ask = async (claims: object) => {
      const user = await newUser()
      const headers = { Authorization: `Bearer ${await tokenFor(user.id, { ...claims })}` }
      return call(method, path, { headers })
    }
    expect((await ask({})).status).toBe(success)
    expect((await ask({ auth_time: now - 60 })).status).toBe(success)
    expect(problemOf(await ask({ auth_time: now - 660 }))).toEqual([403, 'reauthentication_required'])
  })
})
