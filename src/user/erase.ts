import { guesses, identities, passkeys, proofs } from '../accounts/schema.ts'
import { NOW } from '../d1/clock.ts'
import { activity, erasedUsers, sessions, users } from '../auth/schema.ts'
import { sql } from 'drizzle-orm'
import { Hono } from 'hono'
import { clearTokenCookies } from '../auth/cookies.ts'
import { tombstoneOf } from '../auth/tombstone.ts'
import type { App } from '../context.ts'
import { otherMethods } from '../http/methods.ts'
import { idempotencyKeys } from '../engine/idempotency.ts'
import { remainingRows } from '../engine/quota.ts'
import { memo } from '../memo.ts'
import type { Resource } from '../engine/resource.ts'
import { bind, compileUnscoped, compileOwned, OWNER, slot, type Statement } from '../d1/statement.ts'

/** The statements that erase the owner and every row of theirs. */
export function eraseStatements(resources: readonly Resource[]): Statement[] {
  const tables = [
    ...resources.map(({ table }) => table),
    idempotencyKeys,
    remainingRows,
    sessions,
    proofs,
    guesses,
    activity,
    passkeys,
    identities,
  ]
  return [
    // Foreign keys are checked at the end of the batch, so the tables can be emptied in any order.
    compileUnscoped(sql`PRAGMA defer_foreign_keys = on`),
    ...tables.map((table) => compileOwned(sql`DELETE FROM ${table} WHERE user_id = ${slot(OWNER)}`)),
    compileOwned(sql`DELETE FROM ${users} WHERE id = ${slot(OWNER)}`),
  ]
}

/**
 * `DELETE /api/{user_id}`: the account and every row of the user's, trash included, are gone for good, in one batch. The
 * user may have rows without an account here. Tokens of that user are refused from then on.
 */
export function eraseFor(resources: readonly Resource[]): Hono<App> {
  const erase = new Hono<App>()
  const statements = memo(() => [
    ...eraseStatements(resources),
    compileUnscoped(
      sql`INSERT OR REPLACE INTO ${erasedUsers} (user_hash, erased_at) VALUES (${slot('tombstone')}, ${NOW})`,
    ),
  ])

  erase.delete('/', async (c) => {
    const owner = c.get('owner')
    const values = { [OWNER]: owner, tombstone: await tombstoneOf(owner) }
    await c.get('database').batch(statements().map((statement) => bind(statement, values)))
    c.set('erased', true)
    if (owner === c.get('identity').userId) clearTokenCookies(c)
    return c.body(null, 204)
  })

  otherMethods(erase, '/')
  return erase
}
