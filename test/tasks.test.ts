import { expect, test } from 'vitest'
import { newUser } from './client.ts'

test('a created task is answered whole, with its Location and ETag', async () => {
  const user = await newUser()
  const { status, headers, body } = await user.call('POST', '/tasks', { title: 'Water the plants' })
  expect(status).toBe(201)
  expect(headers.get('Location')).toBe(`/api/me/tasks/${body.id}`)
  expect(headers.get('ETag')).toBe(`"${body.revision}"`)
  expect(body).toMatchObject({ title: 'Water the plants', user_id: user.id, status: 'pending', tags: [] })
})
