import { sql } from 'drizzle-orm'
import { users } from '../auth/schema.ts'
import { assertion } from '../d1/assertion.ts'
import { compileOwned, OWNER, slot } from '../d1/statement.ts'
import { identities, passkeys } from './schema.ts'

/** The tables of the ways into an account beside its password: one row each, with a `user_id` and a `created_at`. */
export const factors = [passkeys, identities] as const

/** In how many ways the owner can log in: by password, by each passkey, by each identity of a provider. */
const waysIn = sql`(
  (SELECT count(password_hash) FROM ${users} WHERE id = ${slot(OWNER)}) +
  (SELECT count(*) FROM ${passkeys} WHERE user_id = ${slot(OWNER)}) +
  (SELECT count(*) FROM ${identities} WHERE user_id = ${slot(OWNER)})
)`

/**
 * Asserts that the passkey or the identity `id` is not the owner's last way in; an id that is not theirs passes, and is
 * not found later.
 */
export const notLastWayInAssertion = compileOwned(
  assertion(sql`${waysIn} > 1 OR NOT (
    EXISTS (SELECT 1 FROM ${passkeys} WHERE user_id = ${slot(OWNER)} AND id = ${slot('id')}) OR
    EXISTS (SELECT 1 FROM ${identities} WHERE user_id = ${slot(OWNER)} AND id = ${slot('id')})
  )`),
)
