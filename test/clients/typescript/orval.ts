import assert from 'node:assert/strict'
import { createTask, deleteTask, getTask, listTasks, updateTask } from './orval.gen.ts'

const [, , , token = ''] = process.argv
const authorized = { Authorization: `Bearer ${token}` }

const created = await createTask('me', { title: 'Say hello', due_date: '2026-12-01' }, undefined, {
  headers: authorized,
})
assert(created.status === 201)
const { id } = created.data
const got = await getTask('me', id, undefined, { headers: authorized })
assert(got.status === 200)
assert.deepEqual(got.data, created.data)
const page = await listTasks('me', { limit: 10 }, { headers: authorized })
assert(page.status === 200)
assert.deepEqual(page.data.tasks, [got.data])

const seen = { 'If-Match': got.headers.get('ETag') ?? '' }
const changed = await updateTask('me', id, { completed: true }, seen, { headers: authorized })
assert(changed.status === 200)
assert.equal(changed.data.status, 'completed')
const late = await updateTask('me', id, { title: 'Too late' }, seen, { headers: authorized })
assert(late.status === 412)
assert.equal(late.data.type, '/docs/problems#stale_revision')

const last = { 'If-Match': `"${changed.data.revision}"` }
const deleted = await deleteTask('me', id, last, { headers: authorized })
assert.equal(deleted.status, 204)
