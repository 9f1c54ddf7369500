import type { Call } from './pages.ts'
import { segment } from './paths.ts'
import { ProblemError } from './problems.ts'
import { clashes, pick, same, type Operation, type RowData, type RowFields } from './outbox.ts'

/** How many operations the API takes at once, and about how long their JSON may be; it refuses 64 KiB. */
const MOST = 100
const LONGEST = 48_000

/** What came of an operation. */
export interface Outcome {
  /** The server's row, when it is there. */
  now: RowData | undefined
  /** Why the server refused it, and what of it was refused. */
  problem?: ProblemError
  refused?: RowFields
}

/** The operations that are sent next, together: of one collection, each of another row. */
export function batchOf(operations: readonly Operation[], alone: string | undefined): Operation[] {
  const batch: Operation[] = []
  const ids = new Set<string>()
  let length = 0
  for (const operation of operations) {
    const { op, path, id, data, changes } = operation
    length += JSON.stringify(data).length
    const isAlone = op === 'restore' || changes[0]?.key === alone
    const joins =
      !isAlone && path === operations[0]?.path && !ids.has(id) && batch.length < MOST && length < LONGEST
    if (batch.length && !joins) break
    batch.push(operation)
    ids.add(id)
    if (isAlone) break
  }
  return batch
}

/** Sends operations all at once. Throws the problem of the first that is refused, with its `index`. */
export async function sendBulk(call: Call, batch: readonly Operation[]): Promise<Outcome[]> {
  const operations = batch.map(({ op, id, revision, data }) => ({
    op,
    id,
    ...(op !== 'create' && revision && { revision }),
    ...(op !== 'delete' && { data }),
  }))
  const path = `${batch[0]?.path}/bulk`
  const body = { operations }
  const { results } = await call<{ results: object[] }>('post', path, {
    body,
    headers: await keyOf(batch, body),
  })
  return batch.map((_, at) => ({ now: Object.values(results[at] ?? {}).find(isRow) }))
}

/** Sends one operation, until it is known what came of it. Throws what has nothing to do with it. */
export async function sendOne(call: Call, operation: Operation): Promise<Outcome> {
  const { op, path, id, data, edits, revision } = operation
  const place = `${path}/${segment(id)}`
  const update = (fields: RowFields, match: number | undefined) =>
    call<RowData>('patch', place, { body: fields, headers: { 'If-Match': match ? `"${match}"` : '*' } })
  try {
    if (op === 'update') return { now: await update(data, revision) }
    if (op === 'none') return { now: undefined }
    const [method, target] = {
      create: ['post', path] as const,
      delete: ['delete', place] as const,
      restore: ['post', `${place}/restore`] as const,
    }[op]
    const body = op === 'create' ? data : undefined
    const match = op === 'create' ? undefined : { 'If-Match': revision ? `"${revision}"` : '*' }
    const headers = { ...(method === 'post' && (await keyOf([operation], body))), ...match }
    return { now: await call(method, target, { headers, body }) }
  } catch (error) {
    return settle(refusal(error))
  }

  async function settle(problem: ProblemError): Promise<Outcome> {
    const { status } = problem
    const now = await call<RowData>('get', place).catch((reason: unknown) => {
      if (refusal(reason).status === 404) return undefined
      throw reason
    })
    // An answer was lost, or others did the same: it is as the user wants it.
    if (op === 'delete' && status === 404) return { now }
    if (op === 'create' && status === 410) return { now }
    if (op === 'create' && status === 409 && now) {
      // It was made by an earlier try; what was edited since is still to be done.
      const left = pick(edits, (name) => !same(edits[name], now[name]))
      return Object.keys(left).length ? retry(left, now) : { now }
    }
    if (op === 'update' && status === 412 && now) {
      const refused = clashes(operation, now)
      const left = pick(data, (name) => !(name in refused) && !same(data[name], now[name]))
      const outcome = Object.keys(left).length ? await retry(left, now) : { now }
      if (outcome.problem) return { ...outcome, refused: { ...refused, ...outcome.refused } }
      return Object.keys(refused).length ? { ...outcome, problem, refused } : outcome
    }
    return { now, problem, refused: data }
  }

  /** What others have not touched goes on top of what they did. */
  async function retry(left: RowFields, now: RowData): Promise<Outcome> {
    const again = { ...operation, op: 'update' as const, data: left, revision: now.revision, edits: {} }
    return sendOne(call, op === 'create' ? { ...again, base: now } : again)
  }
}

/** Problems of the caller or the way to the server: the change itself was not looked at. */
const NOT_THE_CHANGE = new Set(['about:blank', 'foreign_origin', 'key_used', 'not_your_path'])

/** What the server said no to a change with; throws again what may pass. */
export function refusal(error: unknown): ProblemError {
  if (!(error instanceof ProblemError) || NOT_THE_CHANGE.has(error.type)) throw error
  if ([401, 429].includes(error.status) || error.status >= 500) throw error
  return error
}

/** A key that is the same whenever the same is sent for the same changes, also after a restart. */
async function keyOf(
  operations: readonly Operation[],
  body: unknown,
): Promise<{ 'Idempotency-Key': string }> {
  const keys = operations.map(({ changes }) => changes.map(({ key }) => key))
  const text = new TextEncoder().encode(JSON.stringify([keys, body]))
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', text))
  return { 'Idempotency-Key': Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') }
}

function isRow(value: unknown): value is RowData {
  return typeof value === 'object' && value !== null && 'revision' in value
}
