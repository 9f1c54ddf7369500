import { expect, test } from 'vitest'
import { newUser, type Json } from './client.ts'
import { resources } from './collection.ts'
import { purgeAll } from './purge-all.ts'
import { ask } from './rows.ts'

// Over the declarations of test/fixtures/types.

const KIND = {
  name: 'A name',
  body: 'A body',
  done: false,
  count: 1,
  weight: 0.5,
  due: '2026-11-20T09:30:00+02:00',
  stage: 'draft',
  external_id: 'not a UUID',
}

async function expire(userId: string): Promise<void> {
  for (const { name } of resources) {
    await ask(
      userId,
      `UPDATE ${name} SET deleted_at = strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at, '-30 days') WHERE user_id = ? AND deleted_at IS NOT NULL`,
      userId,
    )
  }
}

test('a retired field is accepted in every body and ignored, and any other unknown one is not', async () => {
  const user = await newUser()
  const { status, body } = await user.call('POST', '/kinds', { ...KIND, colour: 'red' })
  expect([status, body.colour]).toEqual([201, undefined])
  const at = `/kinds/${body.id}`
  expect((await user.call('PUT', at, { ...KIND, colour: { of: 'anything' } })).status).toBe(200)
  expect((await user.call('PATCH', at, { done: true, colour: null })).body.done).toBe(true)
  expect((await user.call('PATCH', at, { colour: 'red' })).status).toBe(400)
  const operation = { op: 'create', data: { ...KIND, colour: 'red' } }
  expect((await user.call('POST', '/kinds/bulk', { operations: [operation] })).status).toBe(200)
  expect((await user.call('POST', '/kinds', { ...KIND, color: 'red' })).status).toBe(422)
})

test('a column of text whose name ends like a reference is filtered as text', async () => {
  const user = await newUser()
  await user.call('POST', '/kinds', KIND)
  expect((await user.call('GET', '/kinds?external_id=not a UUID')).body.count).toBe(1)
  expect((await user.call('GET', '/kinds?external_id=x')).body.count).toBe(0)
})

test('what requires a purged row goes into the trash first, so that sync tells it, and is purged before it', async () => {
  const user = await newUser()
  const made = async (path: string, body: Json) => (await user.call('POST', path, body)).body
  const [wanted, other] = [await made('/kinds', KIND), await made('/kinds', KIND)]
  const option = await made(`/kinds/${other.id}/options`, {})
  const leaf = await made(`/kinds/${other.id}/options/${option.id}/leaves`, {
    due: '2026-11-20',
    kind_id: wanted.id,
  })
  const { cursor } = (await user.call('GET', '/changes')).body
  await user.call('DELETE', `/kinds/${wanted.id}`)
  await expire(user.id)
  await purgeAll()

  const { changes } = (await user.call('GET', `/changes?cursor=${cursor}`)).body
  expect(changes).toEqual(
    expect.arrayContaining([expect.objectContaining({ collection: 'leaves', id: leaf.id, deleted: true })]),
  )
  const kept = await ask(user.id, 'SELECT id FROM kinds WHERE id = ?', wanted.id)
  expect(kept).toHaveLength(1)

  await expire(user.id)
  await purgeAll()
  for (const [table, id] of [
    ['kinds', wanted.id],
    ['leaves', leaf.id],
  ]) {
    const left = await ask(user.id, `SELECT id FROM ${table} WHERE id = ?`, id)
    expect([table, left]).toEqual([table, []])
  }
  expect((await user.call('GET', `/kinds/${other.id}/options/${option.id}`)).status).toBe(200)
})
