import { sql } from 'drizzle-orm'
import { users } from '../auth/schema.ts'
import { roleOf, type Role } from '../context.ts'
import { NOW } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { assertion } from '../d1/assertion.ts'
import { compileUnscoped, compileOwned, OWNER, slot } from '../d1/statement.ts'

/** What a client sees of an account. */
export interface Account {
  id: string
  /** Null for an account that has no address yet. */
  email: string | null
  /** Whether mail to `email` was proved to reach its owner. */
  email_verified: boolean
  role: Role
  created_at: string
}

const VISIBLE = sql`id, email, email_verified_at IS NOT NULL AS email_verified, role, created_at`

/** Whether an account has the placeholder `email`: one row or none. */
export const takenStatement = compileUnscoped(sql`SELECT 1 FROM ${users} WHERE email = ${slot('email')}`)

/**
 * Asserts that no account has the placeholder `email`. The unique index would stop the batch too, but without naming the
 * problem.
 */
export const freeEmailAssertion = compileUnscoped(
  assertion(sql`NOT EXISTS (SELECT 1 FROM ${users} WHERE email = ${slot('email')})`),
)

/** Makes the account `owner`, with the placeholders `email` and `hash`. */
export const registerStatement =
  compileOwned(sql`INSERT INTO ${users} (id, email, password_hash, role, created_at, updated_at)
    VALUES (${slot(OWNER)}, ${slot('email')}, ${slot('hash')}, 'user', ${NOW}, ${NOW}) RETURNING ${VISIBLE}`)

/** Gives the owner, who has none, the placeholders `email` and `hash`. */
export const completeStatement = compileOwned(
  sql`UPDATE ${users} SET email = ${slot('email')}, password_hash = ${slot('hash')}, updated_at = ${NOW}
    WHERE id = ${slot(OWNER)} AND email IS NULL RETURNING ${VISIBLE}`,
)

/** The account with the placeholder `email`, with its hash, for a login. */
export const loginStatement = compileUnscoped(
  sql`SELECT ${VISIBLE}, password_hash FROM ${users} WHERE email = ${slot('email')}`,
)

/** The owner's account. */
export const accountStatement = compileOwned(sql`SELECT ${VISIBLE} FROM ${users} WHERE id = ${slot(OWNER)}`)

/** The owner's hash, for a change of password. */
export const hashStatement = compileOwned(
  sql`SELECT email, role, password_hash FROM ${users} WHERE id = ${slot(OWNER)}`,
)

/**
 * Asserts that the owner still has the placeholders `known` (its hash) and `role`, as they were read before the password
 * was verified: hashing takes long enough for the password, or the account, to be gone by now.
 */
export const unchangedAssertion = compileOwned(
  assertion(
    sql`EXISTS (SELECT 1 FROM ${users} WHERE id = ${slot(OWNER)} AND password_hash = ${slot('known')} AND role = ${slot('role')})`,
  ),
)

/** Asserts that the owner's address is verified, if there is one. */
export const verifiedAssertion = compileOwned(
  assertion(sql`NOT EXISTS (SELECT 1 FROM ${users}
    WHERE id = ${slot(OWNER)} AND email IS NOT NULL AND email_verified_at IS NULL)`),
)

/** Gives the owner the placeholder `hash`. */
export const rehashStatement = compileOwned(
  sql`UPDATE ${users} SET password_hash = ${slot('hash')}, updated_at = ${NOW} WHERE id = ${slot(OWNER)}`,
)

/** Every account by id, newest first, from after the placeholder `after`; one more than a page: for administrators. */
export const usersStatement = compileUnscoped(
  sql`SELECT ${VISIBLE} FROM ${users} WHERE id < ${slot('after')} ORDER BY id DESC LIMIT ${slot('limit')}`,
)

/** A row of {@link users} as a client sees it. */
export function accountOf(row: Row): Account {
  return {
    id: String(row.id),
    email: typeof row.email === 'string' ? row.email : null,
    email_verified: row.email_verified === 1,
    role: roleOf(row.role),
    created_at: String(row.created_at),
  }
}
