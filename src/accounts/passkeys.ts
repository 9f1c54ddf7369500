import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { users } from '../auth/schema.ts'
import { assertion, raise } from '../d1/assertion.ts'
import { NOW } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { bind, compileOwned, compileUnscoped, OWNER, slot, type BoundStatement } from '../d1/statement.ts'
import { passkeys } from './schema.ts'
import type { RegistrationResponse } from './webauthn/bodies.ts'
import type { NewCredential } from './webauthn/ceremony.ts'

/** What a client sees of a passkey. */
export interface Passkey {
  id: string
  name: string
  created_at: string
  last_used_at: string | null
}

/** How many passkeys an account may have, so that their list fits into what a browser is asked to exclude. */
const MAX_PASSKEYS = 50

const VISIBLE = sql`id, name, created_at, last_used_at`
const mine = sql`${passkeys.user_id} = ${slot(OWNER)}`

/** The owner's account as a new passkey shows it, and what the browser must not make another of. */
export const beforeAddingStatement =
  compileOwned(sql`SELECT ${users.email}, ${passkeys.credential_id}, ${passkeys.transports}
  FROM ${users} LEFT JOIN ${passkeys} ON ${passkeys.user_id} = ${users.id} WHERE ${users.id} = ${slot(OWNER)}`)

const newCredentialAssertion = compileUnscoped(
  assertion(sql`NOT EXISTS (SELECT 1 FROM ${passkeys} WHERE credential_id = ${slot('credential')})`),
)

/** Asserts that the owner has room for another passkey. */
export const roomAssertion = compileOwned(
  assertion(sql`(SELECT count(*) FROM ${passkeys} WHERE ${mine}) < ${sql.raw(String(MAX_PASSKEYS))}`),
)

const addPasskeyStatement = compileOwned(sql`INSERT INTO ${passkeys}
    (user_id, id, credential_id, public_key, algorithm, counter, backup_eligible, transports, name, created_at)
  VALUES (${slot(OWNER)}, ${slot('id')}, ${slot('credential')}, ${slot('key')}, ${slot('algorithm')}, ${slot('counter')},
    ${slot('eligible')}, ${slot('transports')}, ${slot('name')}, ${NOW}) RETURNING ${VISIBLE}`)

/** The owner's passkeys, newest first, from after the placeholder `after`; one more than a page. */
export const passkeysStatement = compileOwned(sql`SELECT ${VISIBLE} FROM ${passkeys}
  WHERE ${mine} AND id < ${slot('after')} ORDER BY id DESC LIMIT ${slot('limit')}`)

/** Gives one of the owner's passkeys another name. */
export const renamePasskeyStatement = compileOwned(
  sql`UPDATE ${passkeys} SET name = ${slot('name')} WHERE ${mine} AND id = ${slot('id')} RETURNING ${VISIBLE}`,
)

/** Asserts that the passkey `id` is the owner's. */
export const ownPasskeyAssertion = compileOwned(
  assertion(sql`EXISTS (SELECT 1 FROM ${passkeys} WHERE ${mine} AND id = ${slot('id')})`),
)

/** Removes one of the owner's passkeys. */
export const removePasskeyStatement = compileOwned(
  sql`DELETE FROM ${passkeys} WHERE ${mine} AND id = ${slot('id')} RETURNING id`,
)

/** Whose the placeholder `credential` is, and what verifies it, for a login. */
export const findPasskeyStatement = compileUnscoped(
  sql`SELECT user_id, id, public_key, algorithm, counter, backup_eligible FROM ${passkeys}
    WHERE credential_id = ${slot('credential')}`,
)

/** Asserts that the owner still has the passkey `id`, whose counter is as it was when its signature was verified. */
export const unchangedPasskeyAssertion = compileOwned(
  assertion(
    sql`EXISTS (SELECT 1 FROM ${passkeys} WHERE ${mine} AND id = ${slot('id')} AND counter = ${slot('known')})`,
  ),
)

/** Notes that one of the owner's passkeys was used. */
export const usePasskeyStatement = compileOwned(
  sql`UPDATE ${passkeys} SET counter = ${slot('counter')}, last_used_at = ${NOW} WHERE ${mine} AND id = ${slot('id')}`,
)

/** What a passkey is called until its owner says otherwise. */
const UNNAMED = 'Passkey'

/** The statements that add a verified passkey to an account; the last one returns its row. Their batch throws `passkey_taken`. */
export function addPasskey(
  userId: string,
  credential: NewCredential,
  answer: RegistrationResponse,
  name = UNNAMED,
): BoundStatement[] {
  const values = {
    [OWNER]: userId,
    id: uuidv7(),
    credential: credential.credential_id,
    key: credential.public_key,
    algorithm: credential.algorithm,
    counter: credential.counter,
    eligible: credential.backup_eligible ? 1 : 0,
    transports: JSON.stringify(answer.response.transports ?? []),
    name,
    problem: raise('passkey_taken'),
  }
  return [bind(newCredentialAssertion, values), bind(addPasskeyStatement, values)]
}

/** A row of {@link passkeys} as a client sees it. */
export function passkeyOf(row: Row): Passkey {
  return {
    id: String(row.id),
    name: String(row.name),
    created_at: String(row.created_at),
    last_used_at: typeof row.last_used_at === 'string' ? row.last_used_at : null,
  }
}
