import { expect, test } from 'vitest'
import { newUser } from './client.ts'

test('If-None-Match: * stops every write of a row that exists, and changes nothing', async () => {
  const user = await newUser()
  const { body: task } = await user.call('POST', '/tasks', { title: 'as it was' })
  const never = { 'If-None-Match': '*' }
  for (const [method, path, body] of [
    ['PUT', '', { title: 'put' }],
    ['PATCH', '', { title: 'patch' }],
    ['PATCH', '/complete', undefined],
    ['DELETE', '', undefined],
  ] as const) {
    const refused = await user.call(method, `/tasks/${task.id}${path}`, body, never)
    expect([method, path, refused.status]).toEqual([method, path, 412])
  }
  expect((await user.call('GET', `/tasks/${task.id}`)).body).toEqual(task)
})

test('a 412 carries the current ETag, and may be kept only to be asked again', async () => {
  const user = await newUser()
  const { body: task } = await user.call('POST', '/tasks', { title: 'a' })
  const { status, headers } = await user.call('DELETE', `/tasks/${task.id}`, undefined, { 'If-Match': '"1"' })
  expect([status, headers.get('ETag'), headers.get('Cache-Control')]).toEqual([
    412,
    `"${task.revision}"`,
    'private, no-cache',
  ])
})

test('a stale operation of a bulk has its index, and its text fits a revision in the body', async () => {
  const user = await newUser()
  const { body: task } = await user.call('POST', '/tasks', { title: 'a' })
  const operations = [{ op: 'update', id: task.id, revision: 1, data: { title: 'b' } }]
  const { status, body } = await user.call('POST', '/tasks/bulk', { operations })
  expect([status, body.index, body.detail]).toEqual([
    412,
    0,
    expect.stringContaining('the revision that the request names'),
  ])
})

test('a contradiction between two fields has a code of its own', async () => {
  const user = await newUser()
  const { body } = await user.call('POST', '/tasks', { title: 'a', status: 'pending', completed: true })
  expect(body.errors).toEqual([{ path: 'completed', code: 'contradiction', message: 'contradicts status' }])
})
