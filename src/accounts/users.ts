import { sql } from 'drizzle-orm'
import { users } from '../auth/schema.ts'
import { roleOf, type Role } from '../context.ts'
import { NOW } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { assertion, compile, compileOwned, OWNER, slot } from '../d1/statement.ts'
import { lazily } from '../memo.ts'

/** What a client sees of an account. */
export interface Account {
  id: string
  email: string
  role: Role
  created_at: string
}

const VISIBLE = sql`id, email, role, created_at`

/** Whether an account has the placeholder `email`: one row or none. */
export const takenStatement = lazily(() =>
  compile(sql`SELECT 1 FROM ${users} WHERE email = ${slot('email')}`),
)

/** Makes the account `owner`. The unique index refuses an `email` that another has. */
export const registerStatement = lazily(() =>
  compileOwned(sql`INSERT INTO ${users} (id, email, password_hash, role, created_at, updated_at)
    VALUES (${slot(OWNER)}, ${slot('email')}, ${slot('hash')}, 'user', ${NOW}, ${NOW}) RETURNING ${VISIBLE}`),
)

/** The account with the placeholder `email`, with its hash, for a login. */
export const loginStatement = lazily(() =>
  compile(sql`SELECT ${VISIBLE}, password_hash FROM ${users} WHERE email = ${slot('email')}`),
)

/** The owner's account. */
export const accountStatement = lazily(() =>
  compileOwned(sql`SELECT ${VISIBLE} FROM ${users} WHERE id = ${slot(OWNER)}`),
)

/** The owner's hash, for a change of password. */
export const hashStatement = lazily(() =>
  compileOwned(sql`SELECT email, role, password_hash FROM ${users} WHERE id = ${slot(OWNER)}`),
)

/**
 * Asserts that the owner still has the placeholders `known` (its hash) and `role`, as they were read before the password
 * was verified: hashing takes long enough for the password, or the account, to be gone by now.
 */
export const unchangedAssertion = lazily(() =>
  compileOwned(
    assertion(
      sql`EXISTS (SELECT 1 FROM ${users} WHERE id = ${slot(OWNER)} AND password_hash = ${slot('known')} AND role = ${slot('role')})`,
    ),
  ),
)

/** Gives the owner the placeholder `hash`. */
export const rehashStatement = lazily(() =>
  compileOwned(
    sql`UPDATE ${users} SET password_hash = ${slot('hash')}, updated_at = ${NOW} WHERE id = ${slot(OWNER)}`,
  ),
)

/** Every account by id, newest first, from after the placeholder `after`; one more than a page: for administrators. */
export const usersStatement = lazily(() =>
  compile(
    sql`SELECT ${VISIBLE} FROM ${users} WHERE id < ${slot('after')} ORDER BY id DESC LIMIT ${slot('limit')}`,
  ),
)

/** A row of {@link users} as a client sees it. */
export function accountOf(row: Row): Account {
  return {
    id: String(row.id),
    email: String(row.email),
    role: roleOf(row.role),
    created_at: String(row.created_at),
  }
}
