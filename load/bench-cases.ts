import { BIG, idOf } from './bench-sides.ts'

/** A request. `[<id>]` in it is replaced by something new each time. */
export interface Sent {
  method: 'GET' | 'POST' | 'PATCH'
  path: string
  headers?: Record<string, string>
  body?: string
}

/** What is measured: a request, sent again and again, and the status that every answer must have. */
export interface Case {
  name: string
  /** Whose token it carries; `session` is one of an account that is logged in. */
  as: string
  status: number
  /** What a connection sends again and again; its first request is always that of connection 0. */
  request: (connection: number) => Sent
  /** Whether each request of a connection names the ETag of its last answer. */
  matches?: boolean
  /** How long one side is asked in a round, in seconds, if not 1: long enough for an answer on each connection. */
  seconds?: number
  /** Whether `--quick` measures it. */
  quick?: boolean
}

const JSON_BODY = { 'Content-Type': 'application/json' }
const READER = 'user-1'
const ONE = `/api/me/tasks/${idOf(1)}`

/** A new user's for each case that writes, so that no case finds another one's rows. */
let writer = 1
const nextWriter = () => `user-${(writer += 1)}`

/** One row for each connection, so that a precondition fails for nobody. */
const rowOf = (connection: number) => `/api/me/tasks/${idOf(1 + connection)}`
const BODY = JSON.stringify({ title: 'Water the plants on the balcony' })

export const cases: readonly Case[] = [
  { name: 'get', as: BIG, status: 200, request: () => ({ method: 'GET', path: ONE }), quick: true },
  { name: 'get, with a session', as: 'session', status: 200, request: () => ({ method: 'GET', path: ONE }) },
  {
    name: 'get, not modified',
    as: BIG,
    status: 304,
    request: () => ({ method: 'GET', path: ONE, headers: { 'If-None-Match': '"1"' } }),
  },
  {
    name: 'page of 50',
    as: BIG,
    status: 200,
    request: () => ({ method: 'GET', path: '/api/me/tasks' }),
    quick: true,
  },
  {
    name: 'page of 50, filtered and sorted',
    as: READER,
    status: 200,
    request: () => ({ method: 'GET', path: '/api/me/tasks?status=pending&sort=due_date' }),
  },
  {
    name: 'changes, 100 rows',
    as: BIG,
    status: 200,
    request: () => ({ method: 'GET', path: '/api/me/changes' }),
  },
  {
    name: 'create',
    as: nextWriter(),
    status: 201,
    request: () => ({ method: 'POST', path: '/api/me/tasks', headers: JSON_BODY, body: BODY }),
    quick: true,
  },
  {
    name: 'create, with a key',
    as: nextWriter(),
    status: 201,
    request: () => ({
      method: 'POST',
      path: '/api/me/tasks',
      headers: { ...JSON_BODY, 'Idempotency-Key': '[<id>]' },
      body: BODY,
    }),
  },
  {
    name: 'patch',
    as: nextWriter(),
    status: 200,
    request: (connection) => ({
      method: 'PATCH',
      path: rowOf(connection),
      headers: JSON_BODY,
      body: BODY,
    }),
    quick: true,
  },
  {
    name: 'patch, with If-Match',
    as: nextWriter(),
    status: 200,
    matches: true,
    request: (connection) => ({
      method: 'PATCH',
      path: rowOf(connection),
      headers: JSON_BODY,
      body: BODY,
    }),
  },
  {
    name: 'toggle',
    as: nextWriter(),
    status: 200,
    request: (connection) => ({ method: 'PATCH', path: `${rowOf(connection)}/complete` }),
  },
  {
    name: 'bulk of 100 creates',
    seconds: 3,
    as: nextWriter(),
    status: 200,
    request: () => ({
      method: 'POST',
      path: '/api/me/tasks/bulk',
      headers: JSON_BODY,
      body: JSON.stringify({
        operations: Array.from({ length: 100 }, (_, at) => ({ op: 'create', data: { title: `Row ${at}` } })),
      }),
    }),
  },
]
