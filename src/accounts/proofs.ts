import { sql } from 'drizzle-orm'
import { base64url } from 'jose'
import { recordingSelected } from '../auth/activity.ts'
import { sessions, users } from '../auth/schema.ts'
import { assertion } from '../d1/assertion.ts'
import { inSeconds, NOW } from '../d1/clock.ts'
import { compileOwned, compileUnscoped, OWNER, slot } from '../d1/statement.ts'
import { isUserId } from '../ids.ts'
import { sha256 } from '../sha256.ts'
import { whoHas } from './guesses.ts'
import { guesses, proofs } from './schema.ts'
import { ended } from './sessions.ts'
import { factors } from './ways-in.ts'

/** What a mailed token proves: that its reader may set a password, has the account's address, or has its next one. */
export type ProofPurpose = (typeof proofs.$inferInsert)['purpose']

/** How long a token of each purpose can be used, in seconds. */
export const LIFETIMES: Readonly<Record<ProofPurpose, number>> = {
  reset: 60 * 60,
  verify: 24 * 60 * 60,
  change: 24 * 60 * 60,
}

const SECRET_BYTES = 32

/** A new secret of 256 bits and the hash of it that is stored. */
export async function newSecret(): Promise<{ secret: Uint8Array<ArrayBuffer>; hash: string }> {
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES))
  return { secret, hash: await sha256(secret) }
}

/** The text that is mailed: the secret, and whose it is, so that it is looked up by its owner. */
export function encodeProof(secret: Uint8Array, userId: string): string {
  return base64url.encode(Uint8Array.from([...secret, ...new TextEncoder().encode(userId)]))
}

/** What {@link encodeProof} wrote, its secret hashed; undefined for any other text. */
export async function decodeProof(
  text: string,
  isWhose = isUserId,
): Promise<{ [OWNER]: string; token: string } | undefined> {
  try {
    const bytes = Uint8Array.from(base64url.decode(text))
    const userId = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(SECRET_BYTES),
    )
    if (!isWhose(userId) || base64url.encode(bytes) !== text) return undefined
    return { [OWNER]: userId, token: await sha256(bytes.slice(0, SECRET_BYTES)) }
  } catch {
    return undefined
  }
}

const into = sql`INSERT INTO ${proofs} (user_id, purpose, token_hash, email, expires_at)`
const inPlace = sql`ON CONFLICT DO UPDATE SET token_hash = excluded.token_hash, email = excluded.email, expires_at = excluded.expires_at`
const end = inSeconds('lifetime')

/**
 * A token to reset the password of the account with the placeholder `email`; its `user_id` is returned. Without such an
 * account the same rows are read and written for the placeholder `nobody`.
 */
export const askResetStatement = compileUnscoped(sql`${into}
  VALUES (${whoHas}, 'reset', ${slot('token')}, ${slot('email')}, ${end}) ${inPlace} RETURNING user_id`)

/** A token to verify the address of the owner; returns the `email`, if there is one that is not verified. */
export const askVerifyStatement = compileOwned(sql`${into}
  SELECT id, 'verify', ${slot('token')}, email, ${end} FROM ${users}
  WHERE id = ${slot(OWNER)} AND email IS NOT NULL AND email_verified_at IS NULL ${inPlace} RETURNING email`)

/** {@link askVerifyStatement} unless there is a token that can still be used. */
export const askVerifyAgainStatement = compileOwned(sql`${into}
  SELECT id, 'verify', ${slot('token')}, email, ${end} FROM ${users}
  WHERE id = ${slot(OWNER)} AND email IS NOT NULL AND email_verified_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM ${proofs} WHERE user_id = ${slot(OWNER)} AND purpose = 'verify' AND expires_at > ${NOW})
  ${inPlace} RETURNING email`)

/** A token to change the e-mail of the owner to the placeholder `email`, even if another account has that now. */
export const askChangeStatement = compileOwned(sql`${into}
  SELECT id, 'change', ${slot('token')}, ${slot('email')}, ${end} FROM ${users} WHERE id = ${slot(OWNER)} ${inPlace}`)

/** Whether an account other than the owner's has proved the placeholder `email`: one row or none. */
export const provedElsewhereStatement = compileOwned(sql`SELECT 1 FROM ${users}
  WHERE email = ${slot('email')} AND id <> ${slot(OWNER)} AND email_verified_at IS NOT NULL`)

const usable = sql`${proofs.user_id} = ${slot(OWNER)} AND ${proofs.token_hash} = ${slot('token')} AND ${proofs.expires_at} > ${NOW}`
const resettable = sql`FROM ${proofs} JOIN ${users} ON ${users.id} = ${proofs.user_id} AND ${users.email} = ${proofs.email}
  WHERE ${usable} AND ${proofs.purpose} = 'reset'`

/** The address that a reset's token was mailed to; no row for one that cannot be used. */
export const resettableStatement = compileOwned(sql`SELECT ${proofs.email} ${resettable}`)

/** Asserts that the token can be used for a reset. */
export const resettableAssertion = compileOwned(assertion(sql`EXISTS (SELECT 1 ${resettable})`))

/** Sets the placeholder `hash`, and the address is proved. */
export const resetStatement = compileOwned(sql`UPDATE ${users} SET password_hash = ${slot('hash')},
  email_verified_at = coalesce(email_verified_at, ${NOW}), updated_at = ${NOW} WHERE id = ${slot(OWNER)}`)

/** Removes the owner's passkeys and identities that were added before the address was ever proved. */
export const dropUnprovedStatements = factors.map((table) =>
  compileOwned(sql`DELETE FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)} AND EXISTS (
    SELECT 1 FROM ${users} WHERE id = ${slot(OWNER)}
      AND (email_verified_at IS NULL OR ${table.created_at} < email_verified_at))`),
)

/** Makes every token that was mailed for the owner useless. */
export const dropProofsStatement = compileOwned(sql`DELETE FROM ${proofs} WHERE user_id = ${slot(OWNER)}`)

/** {@link dropProofsStatement} apart from the one for the account's own address, which a change of password leaves. */
export const dropPendingStatement = compileOwned(
  sql`DELETE FROM ${proofs} WHERE user_id = ${slot(OWNER)} AND purpose <> 'verify'`,
)

/** Forgets the wrong guesses for the owner's password. */
export const dropGuessesStatement = compileOwned(sql`DELETE FROM ${guesses} WHERE user_id = ${slot(OWNER)}`)

const proved = sql`(SELECT email FROM ${proofs} WHERE user_id = ${slot(OWNER)} AND token_hash = ${slot('token')})`

/** Asserts that the token can be used to verify an address: the owner's, or one that no other account has proved. */
export const verifiableAssertion = compileOwned(
  assertion(sql`EXISTS (SELECT 1 FROM ${proofs} JOIN ${users} ON ${users.id} = ${proofs.user_id} WHERE ${usable}
    AND (${proofs.purpose} = 'change' OR (${proofs.purpose} = 'verify' AND ${users.email} = ${proofs.email}))
    AND NOT EXISTS (SELECT 1 FROM ${users} AS other WHERE other.email = ${proofs.email} AND other.id <> ${users.id}
      AND other.email_verified_at IS NOT NULL))`),
)

const holder = sql`(SELECT id FROM ${users} WHERE email = ${proved} AND id <> ${slot(OWNER)} AND email_verified_at IS NULL)`

/**
 * Takes the address from an account that never proved it: every way into that account is removed, and everything that
 * could get the address back.
 */
export const takeOverStatements = [
  compileOwned(sql`DELETE FROM ${sessions} WHERE ${sessions.user_id} = ${holder} RETURNING ${ended}`),
  ...[proofs, guesses, ...factors].map((table) =>
    compileOwned(sql`DELETE FROM ${table} WHERE ${table.user_id} = ${holder}`),
  ),
  compileOwned(
    sql`UPDATE ${users} SET email = NULL, password_hash = NULL, updated_at = ${NOW} WHERE id = ${holder}`,
  ),
]

/** Notes what the token proves. */
export const recordProofStatement = compileOwned(
  recordingSelected(sql`(SELECT CASE purpose WHEN 'change' THEN 'email_changed' ELSE 'email_verified' END FROM ${proofs}
    WHERE user_id = ${slot(OWNER)} AND token_hash = ${slot('token')})`),
)

/** Gives the owner the address that the token proves. */
export const verifyStatement = compileOwned(
  sql`UPDATE ${users} SET email = ${proved}, email_verified_at = ${NOW}, updated_at = ${NOW} WHERE id = ${slot(OWNER)}`,
)

/** How many tokens one step of the cron trigger deletes. */
const PURGED = 1_000

/** Deletes the tokens of every user that have expired. */
export const purgeProofsStatement = compileUnscoped(sql`DELETE FROM ${proofs} WHERE (user_id, purpose) IN (
    SELECT user_id, purpose FROM ${proofs} WHERE expires_at <= ${NOW} ORDER BY expires_at LIMIT ${sql.raw(String(PURGED))}) RETURNING 1 AS purged`)
