import type { Context } from 'hono'
import type { App } from '../context.ts'
import type { IdempotencyKey } from './idempotency.ts'
import { Problem } from '../problems.ts'
import { sha256 } from '../sha256.ts'

/**
 * The request's `Idempotency-Key`, if it has one, for a route of the user's: its verb, collection and ids. Throws
 * `malformed_key`. (draft-ietf-httpapi-idempotency-key-header, with the key as it is rather than as a quoted string.)
 */
export async function idempotencyKey(
  c: Context<App>,
  route: readonly string[],
): Promise<IdempotencyKey | undefined> {
  const key = c.req.header('Idempotency-Key')
  if (key === undefined) return undefined
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new Problem('malformed_key')
  const fingerprint = await sha256(await c.req.arrayBuffer())
  return { route: route.join(' '), key, fingerprint }
}
