import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { newAccount, newLogin } from './account.ts'
import { call, newUser, tokenFor } from './client.ts'
import { captureLog } from './deployment.ts'
import { problemOf } from './stored.ts'

async function newAdmin() {
  const account = await newAccount()
  await env.DB.prepare(`UPDATE users SET role = 'admin' WHERE id = ?`).bind(account.id).run()
  return { ...account, ...(await newLogin(account.email)) }
}

describe('an administrator', () => {
  test('uses any user’s paths, and each use is a security event', async () => {
    const [admin, user] = [await newAdmin(), await newUser()]
    const { body: task } = await user.call('POST', '/tasks', { title: 'theirs' })
    const log = captureLog()
    const path = `/api/${user.id}/tasks`
    expect((await admin.request('GET', path)).body.tasks).toEqual([task])
    expect((await admin.request('PATCH', `${path}/${task.id}`, { title: 'mended' })).body.user_id).toBe(
      user.id,
    )
    expect((await admin.request('DELETE', `${path}/${task.id}`)).status).toBe(204)
    expect((await admin.request('GET', '/api/me/tasks')).body.tasks).toEqual([])
    expect(log.requests().map(({ security, user: who }) => [security, who])).toEqual([
      ['admin_access', admin.id],
      ['admin_access', admin.id],
      ['admin_access', admin.id],
      [undefined, admin.id],
    ])
  })

  test('sees an unknown user’s collections empty, and no path that is none', async () => {
    const admin = await newAdmin()
    const { status, body } = await admin.request('GET', '/api/nobody-at-all/tasks')
    expect([status, body.tasks]).toEqual([200, []])
    for (const odd of ['auth', 'admin', 'a%2Fb', '%00', 'x'.repeat(129)]) {
      expect(problemOf(await admin.request('GET', `/api/${odd}/tasks`))).toEqual([403, 'not_your_path'])
    }
  })

  test('may be one of an identity provider', async () => {
    const authorization = { Authorization: `Bearer ${await tokenFor('operator', { role: 'admin' })}` }
    expect((await call('GET', '/api/somebody/tasks', { headers: authorization })).status).toBe(200)
    expect((await call('GET', '/api/admin/users', { headers: authorization })).status).toBe(200)
  })

  test('lists every account once, newest first, in pages', async () => {
    const admin = await newAdmin()
    const made = [await newAccount(), await newAccount(), await newAccount()].map(({ id }) => id)
    const seen: string[] = []
    let cursor: string | null = ''
    for (let pages = 0; cursor !== null && pages < 100; pages += 1) {
      const { status, body } = await admin.request(
        'GET',
        `/api/admin/users?limit=2${cursor && `&cursor=${cursor}`}`,
      )
      expect(status).toBe(200)
      expect(Object.keys(body)).toEqual(['users', 'count', 'next_cursor'])
      expect(body.count).toBe(body.users.length)
      seen.push(...body.users.map(({ id }: { id: string }) => id))
      cursor = body.next_cursor
    }
    expect(seen).toEqual([...new Set(seen)].toSorted().toReversed())
    expect(seen.filter((id) => made.includes(id)).toReversed()).toEqual(made)
    const { body } = await admin.request('GET', '/api/admin/users?limit=1')
    expect(Object.keys(body.users[0])).toEqual(['id', 'email', 'email_verified', 'role', 'created_at'])
    const sessions = await admin.request('GET', '/api/auth/sessions?limit=1')
    const foreign = sessions.body.next_cursor ?? 'x'
    for (const query of ['limit=0', `cursor=${foreign}`, 'q=a']) {
      expect(problemOf(await admin.request('GET', `/api/admin/users?${query}`))).toEqual([
        422,
        'invalid_query',
      ])
    }
  })

  test('is logged when listing accounts', async () => {
    const admin = await newAdmin()
    const log = captureLog()
    await admin.request('GET', '/api/admin/users')
    expect(log.requests()).toMatchObject([
      { security: 'admin_access', route: '/api/admin/users', user: admin.id },
    ])
  })
})

describe('anybody else', () => {
  test('is not let in, and that is a security event', async () => {
    const { request, id } = await newAccount()
    const log = captureLog()
    expect(problemOf(await request('GET', '/api/admin/users'))).toEqual([403, 'admin_only'])
    expect(log.requests()).toMatchObject([{ security: 'forbidden', user: id }])
    expect(problemOf(await call('GET', '/api/admin/users'))).toEqual([401, 'missing_credentials'])
    const { status, headers } = await call('POST', '/api/admin/users')
    expect([status, headers.get('Allow')]).toEqual([405, 'GET, HEAD'])
  })

  test.each(['Admin', 'ADMIN', ['admin'], true, { admin: true }, 'user'])(
    'with the role %j is none',
    async (role) => {
      const authorization = { Authorization: `Bearer ${await tokenFor('somebody', { role })}` }
      expect(problemOf(await call('GET', '/api/admin/users', { headers: authorization }))).toEqual([
        403,
        'admin_only',
      ])
      expect(problemOf(await call('GET', '/api/other/tasks', { headers: authorization }))).toEqual([
        403,
        'not_your_path',
      ])
    },
  )
})
