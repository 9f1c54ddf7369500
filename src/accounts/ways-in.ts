import { sql } from 'drizzle-orm'
import { users } from '../auth/schema.ts'
import { assertion } from '../d1/assertion.ts'
import { compileOwned, OWNER, slot } from '../d1/statement.ts'
import { identities, passkeys } from './schema.ts'

/** What else than a password lets somebody into an account: a row each, of a `user_id`, since its `created_at`. */
export const factors = [passkeys, identities] as const

/** In how many ways the owner can log in: by password, by each passkey, by each identity of a provider. */
const waysIn = sql`(
  (SELECT count(password_hash) FROM ${users} WHERE id = ${slot(OWNER)}) +
  (SELECT count(*) FROM ${passkeys} WHERE user_id = ${slot(OWNER)}) +
  (SELECT count(*) FROM ${identities} WHERE user_id = ${slot(OWNER)})
)`

/** Asserts that the passkey or the identity `id` is not the owner's last way in; one that is not theirs may pass. */
export const notLastWayInAssertion = compileOwned(
  assertion(sql`${waysIn} > 1 OR NOT (
    EXISTS (SELECT 1 FROM ${passkeys} WHERE user_id = ${slot(OWNER)} AND id = ${slot('id')}) OR
    EXISTS (SELECT 1 FROM ${identities} WHERE user_id = ${slot(OWNER)} AND id = ${slot('id')})
  )`),
)
