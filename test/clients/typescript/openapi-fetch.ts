import assert from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { paths } from './schema.ts'

const [, , baseUrl = '', token = ''] = process.argv
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } })
const user = { user_id: 'me' }

const { data: task } = await client.POST('/api/{user_id}/tasks', {
  params: { path: user },
  body: { title: 'Say hello', due_date: '2026-12-01' },
})
assert(task)
const path = { ...user, id: task.id }
const got = await client.GET('/api/{user_id}/tasks/{id}', { params: { path } })
assert.deepEqual(got.data, task)
const page = await client.GET('/api/{user_id}/tasks', { params: { path: user, query: { limit: 10 } } })
assert.deepEqual(page.data?.tasks, [task])

const seen = { 'If-Match': got.response.headers.get('ETag') ?? '' }
const changed = await client.PATCH('/api/{user_id}/tasks/{id}', {
  params: { path, header: seen },
  body: { completed: true },
})
assert.equal(changed.data?.status, 'completed')
const late = await client.PATCH('/api/{user_id}/tasks/{id}', {
  params: { path, header: seen },
  body: { title: 'Too late' },
})
assert.equal(late.error?.type, '/docs/problems#stale_revision')

const changes = await client.GET('/api/{user_id}/changes', { params: { path: user } })
const [change] = changes.data?.changes ?? []
assert(change?.collection === 'tasks')
assert.equal(change.data?.title, 'Say hello')

const header = { 'If-Match': `"${changed.data.revision}"` }
const deleted = await client.DELETE('/api/{user_id}/tasks/{id}', { params: { path, header } })
assert.equal(deleted.response.status, 204)
const gone = await client.GET('/api/{user_id}/tasks/{id}', { params: { path } })
assert.equal(gone.error?.status, 404)
