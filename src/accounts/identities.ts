import { sql } from 'drizzle-orm'
import { NEW_ID } from '../auth/activity.ts'
import { activity, users } from '../auth/schema.ts'
import { assertion } from '../d1/assertion.ts'
import { NOW } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { compileOwned, compileUnscoped, OWNER, slot } from '../d1/statement.ts'
import { identities } from './schema.ts'

/** What a client sees of an identity. */
export interface Identity {
  id: string
  /** The provider's id. */
  provider: string
  /** What the provider called it: an e-mail or a name. */
  label: string | null
  created_at: string
  last_used_at: string | null
}

const VISIBLE = sql`id, provider, label, created_at, last_used_at`
const mine = sql`${identities.user_id} = ${slot(OWNER)}`
const isThis = sql`issuer = ${slot('issuer')} AND subject = ${slot('subject')}`
const isKnown = sql`EXISTS (SELECT 1 FROM ${identities} WHERE ${isThis})`
const INTO = sql`INSERT INTO ${identities} (user_id, id, issuer, subject, provider, label, created_at)`
const NEW = sql`${slot('id')}, ${slot('issuer')}, ${slot('subject')}, ${slot('provider')}, ${slot('label')}, ${NOW}`

/** Adds an identity to the owner's account, if that account exists and no account has the identity. */
export const addIdentityStatement = compileOwned(
  sql`${INTO} SELECT id, ${NEW} FROM ${users} WHERE id = ${slot(OWNER)} AND NOT ${isKnown}`,
)

/** Adds an identity to the account that has proved the placeholder `email`, unless an account has the identity already. */
export const joinByEmailStatement = compileUnscoped(
  sql`${INTO} SELECT id, ${NEW} FROM ${users}
    WHERE email = ${slot('email')} AND email_verified_at IS NOT NULL AND NOT ${isKnown}`,
)

/** Makes the account `owner` with the placeholder `email`, unless an account has either already. */
export const newAccountStatement = compileOwned(
  sql`INSERT INTO ${users} (id, email, email_verified_at, role, created_at, updated_at)
    SELECT ${slot(OWNER)}, ${slot('email')}, ${NOW}, 'user', ${NOW}, ${NOW}
    WHERE NOT ${isKnown} AND NOT EXISTS (SELECT 1 FROM ${users} WHERE email = ${slot('email')})`,
)

/**
 * Gives the owner, who has none, the placeholder `email`, if the identity `id` was just added to it and no other account
 * has that e-mail.
 */
export const takeEmailStatement = compileOwned(
  sql`UPDATE ${users} SET email = ${slot('email')}, email_verified_at = ${NOW}, updated_at = ${NOW}
    WHERE id = ${slot(OWNER)} AND email IS NULL AND ${slot('email')} IS NOT NULL
    AND EXISTS (SELECT 1 FROM ${identities} WHERE ${mine} AND id = ${slot('id')})
    AND NOT EXISTS (SELECT 1 FROM ${users} WHERE email = ${slot('email')})`,
)

/** Notes that the identity `id` was added, if it was, with the placeholders `session`, `agent` and `address`. */
export const recordAddedStatement =
  compileUnscoped(sql`INSERT INTO ${activity} (user_id, id, at, event, session_id, user_agent, address)
    SELECT user_id, ${NEW_ID}, ${NOW}, 'identity_added', ${slot('session')}, ${slot('agent')}, ${slot('address')}
    FROM ${identities} WHERE ${isThis} AND id = ${slot('id')}`)

/** Whose an identity is. */
export const findIdentityStatement = compileUnscoped(
  sql`SELECT user_id, id FROM ${identities} WHERE ${isThis}`,
)

/** Asserts that the owner still has the identity `id`. */
export const hasIdentityAssertion = compileOwned(
  assertion(sql`EXISTS (SELECT 1 FROM ${identities} WHERE ${mine} AND id = ${slot('id')})`),
)

/** Notes that one of the owner's identities was used. */
export const useIdentityStatement = compileOwned(
  sql`UPDATE ${identities} SET last_used_at = ${NOW} WHERE ${mine} AND id = ${slot('id')}`,
)

/** The owner's identities, newest first, from after the placeholder `after`; one more than a page. */
export const identitiesStatement = compileOwned(sql`SELECT ${VISIBLE} FROM ${identities}
  WHERE ${mine} AND id < ${slot('after')} ORDER BY id DESC LIMIT ${slot('limit')}`)

/** Removes one of the owner's identities. */
export const removeIdentityStatement = compileOwned(
  sql`DELETE FROM ${identities} WHERE ${mine} AND id = ${slot('id')}`,
)

/** A row of {@link identities} as a client sees it. */
export function identityOf(row: Row): Identity {
  return {
    id: String(row.id),
    provider: String(row.provider),
    label: textOf(row.label),
    created_at: String(row.created_at),
    last_used_at: textOf(row.last_used_at),
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
