import { v7 as uuidv7 } from 'uuid'

/*
 * What `npm run bench` compares the Worker with: the same requests on the same tables as one would write them by hand when
 * nothing else matters. It checks the HS256 token, runs one prepared statement and answers in JSON; it validates nothing.
 */

interface Env {
  DB: D1Database
  JWT_SECRET: string
}

interface Task extends Record<string, unknown> {
  revision: number
  completed: unknown
  tags: unknown
}

const COLUMNS =
  'id, user_id, title, description, status, completed, completed_at, priority, due_date, tags, project_id, revision, created_at, updated_at, coalesce(created_by, user_id) AS created_by, coalesce(updated_by, user_id) AS updated_by'
const NOW = `strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`
const NEXT = '(SELECT coalesce(max(revision), 0) + 1 FROM tasks WHERE user_id = ?1)'
const LIVE = 'user_id = ?1 AND deleted_at IS NULL'
const SET = `revision = ${NEXT}, updated_at = ${NOW}`

const GET = `SELECT ${COLUMNS} FROM tasks WHERE ${LIVE} AND id = ?2`
const LIST = `SELECT ${COLUMNS} FROM tasks WHERE ${LIVE} ORDER BY id DESC LIMIT 51`
const SORTED = `SELECT ${COLUMNS} FROM tasks WHERE ${LIVE} AND status = ?2
  ORDER BY due_date IS NULL, due_date, id LIMIT 51`
const CHANGES = `SELECT ${COLUMNS}, deleted_at FROM tasks WHERE user_id = ?1 AND revision > 0 ORDER BY revision LIMIT 101`
const CREATE = `INSERT INTO tasks (id, user_id, title, tags, revision, created_at, updated_at)
  VALUES (?2, ?1, ?3, '[]', ${NEXT}, ${NOW}, ${NOW}) RETURNING ${COLUMNS}`
const KEY = `INSERT INTO idempotency_keys (user_id, route, key, fingerprint, outcome, created_at)
  VALUES (?1, 'create', ?2, '', ?3, ${NOW})`
const PATCH = `UPDATE tasks SET title = ?3, ${SET} WHERE ${LIVE} AND id = ?2 RETURNING ${COLUMNS}`
const MATCHED = `UPDATE tasks SET title = ?3, ${SET} WHERE ${LIVE} AND id = ?2 AND revision = ?4 RETURNING ${COLUMNS}`
const TOGGLE = `UPDATE tasks SET status = CASE status WHEN 'completed' THEN 'pending' ELSE 'completed' END,
  completed_at = CASE status WHEN 'completed' THEN NULL ELSE ${NOW} END, ${SET} WHERE ${LIVE} AND id = ?2 RETURNING ${COLUMNS}`

export default {
  async fetch(request, { DB, JWT_SECRET }) {
    const user = await userOf(request.headers.get('Authorization')?.slice('Bearer '.length) ?? '', JWT_SECRET)
    if (user === undefined) return new Response('no', { status: 401 })
    const { pathname, searchParams } = new URL(request.url)
    const [, , , collection, id, verb] = pathname.split('/')
    const rows = async (sql: string, ...values: unknown[]) =>
      (
        await DB.prepare(sql)
          .bind(user, ...values)
          .all<Task>()
      ).results.map(decoded)
    const one = async (sql: string, status: number, ...values: unknown[]) => {
      const [row] = await rows(sql, ...values)
      if (!row) return new Response('none', { status: 404 })
      const etag = `"${row.revision}"`
      if (request.headers.get('If-None-Match') === etag) return new Response(null, { status: 304 })
      return Response.json(row, { status, headers: { ETag: etag } })
    }

    if (collection === 'changes') {
      const changes = (await rows(CHANGES)).slice(0, 100).map(({ deleted_at, ...data }) => ({
        collection: 'tasks',
        id: data.id,
        deleted: deleted_at !== null,
        revision: data.revision,
        data,
      }))
      return Response.json({ changes, cursor: '', has_more: true })
    }
    if (request.method === 'GET' && id) return one(GET, 200, id)
    if (request.method === 'GET') {
      const status = searchParams.get('status')
      const tasks = (await (status === null ? rows(LIST) : rows(SORTED, status))).slice(0, 50)
      return Response.json({ tasks, count: tasks.length, next_cursor: '' })
    }
    if (verb === 'complete') return one(TOGGLE, 200, id)
    const body: { title: string; operations: { data: { title: string } }[] } = await request.json()
    if (request.method === 'PATCH') {
      const revision = request.headers.get('If-Match')
      if (revision === null) return one(PATCH, 200, id, body.title)
      return one(MATCHED, 200, id, body.title, Number(revision.slice(1, -1)))
    }
    if (id === 'bulk') {
      const create = DB.prepare(CREATE)
      const batch = body.operations.map(({ data }) => create.bind(user, uuidv7(), data.title))
      const results = (await DB.batch<Task>(batch)).map(({ results: [task] }) => ({
        status: 201,
        id: task?.id,
        task: task && decoded(task),
      }))
      return Response.json({ results })
    }
    const key = request.headers.get('Idempotency-Key')
    const newId = uuidv7()
    if (key === null) return one(CREATE, 201, newId, body.title)
    const [, created] = await DB.batch<Task>([
      DB.prepare(KEY).bind(user, key, newId),
      DB.prepare(CREATE).bind(user, newId, body.title),
    ])
    const [row] = created?.results ?? []
    return Response.json(row && decoded(row), { status: 201, headers: { ETag: `"${row?.revision}"` } })
  },
} satisfies ExportedHandler<Env>

function decoded(row: Task): Task {
  row.completed = row.completed === 1
  row.tags = JSON.parse(String(row.tags))
  return row
}

let key: CryptoKey | undefined

/** The `sub` of a token that this secret has signed and that has not expired. */
async function userOf(token: string, secret: string): Promise<string | undefined> {
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  key ??= await crypto.subtle.importKey('raw', new TextEncoder().encode(secret), hmac, false, ['verify'])
  const [header = '', payload = '', signature = ''] = token.split('.')
  const signed = new TextEncoder().encode(`${header}.${payload}`)
  if (!(await crypto.subtle.verify('HMAC', key, bytes(signature), signed))) return undefined
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- signed by the benchmark itself
  const claims = JSON.parse(new TextDecoder().decode(bytes(payload))) as { sub: string; exp: number }
  return claims.exp > Date.now() / 1000 ? claims.sub : undefined
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(base64url, { alphabet: 'base64url' })
}
