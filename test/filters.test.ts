import { env } from 'cloudflare:workers'
import { beforeAll, expect, test } from 'vitest'
import { createApp } from '../src/app.ts'
import { newUser } from './client.ts'
import { applyMigrations, ask } from './rows.ts'
import sightings from './fixtures/sightings.ts'

beforeAll(() => applyMigrations(env.FIXTURE_MIGRATIONS, 'fixture_migrations'))

test('a filter by an indexed column reads the rows that match, not all of the user', async () => {
  const user = await newUser()
  await ask(
    user.id,
    `INSERT INTO sightings (id, user_id, kind, revision, created_at, updated_at)
     WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999)
     SELECT printf('019a0000-0000-7000-8000-%012x', n), ?, iif(n % 100 = 0, 'rare', 'common'), n + 1, 'then', 'then' FROM numbers`,
    user.id,
  )
  const app = createApp([sightings], [])
  const list = async (query: string) => {
    const url = `https://api.test/api/me/sightings?${query}`
    const answer = await app.fetch(new Request(url, { headers: user.authorization }), env)
    const body = await answer.json<{ sightings: { id: string }[]; total?: number }>()
    return {
      ids: body.sightings.map(({ id }) => id),
      total: body.total,
      read: Number(answer.headers.get('x-d1-rows-read')),
    }
  }
  const rare = await list('kind=rare')
  expect(rare.ids).toHaveLength(10)
  expect(rare.ids).toEqual(rare.ids.toSorted().toReversed())
  expect(rare.read).toBeLessThanOrEqual(11)
  expect(await list('kind=rare&total=true')).toMatchObject({ ids: rare.ids, total: 10 })
  expect((await list('kind=rare&sort=created_at')).ids).toEqual(rare.ids.toReversed())
  expect((await list('')).ids).toHaveLength(50)
})

test('a filter by a number takes a number in plain decimal notation, and nothing else', async () => {
  const user = await newUser()
  const app = createApp([sightings], [])
  const headers = { ...user.authorization, 'Content-Type': 'application/json' }
  const send = (path: string, init: RequestInit = {}) =>
    app.fetch(new Request(`https://api.test/api/me/sightings${path}`, { ...init, headers }), env)
  for (const rank of [-1, 0, 1]) {
    const body = JSON.stringify({ kind: 'ranked', rank })
    expect((await send('', { method: 'POST', body })).status).toBe(201)
  }
  for (const rank of [-1, 0, 1]) {
    const { sightings: found } = await (await send(`?rank=${rank}`)).json<{ sightings: { rank: number }[] }>()
    expect(found.map((event) => event.rank)).toEqual([rank])
  }
  for (const wrong of ['', 'x', '0x1', '1e3', '+1', '01', ' 1']) {
    const answer = await send(`?rank=${encodeURIComponent(wrong)}`)
    const { errors } = await answer.json<{ errors: { path: string }[] }>()
    expect([wrong, answer.status, errors[0]?.path]).toEqual([wrong, 422, 'rank'])
  }
})
