import type { Context } from 'hono'
import type { App } from '../context.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import { log } from '../log.ts'
import { Problem } from '../problems.ts'
import { newSession } from './new-session.ts'
import { expectedAnswer, handleOf, requestOptions } from './passkey-options.ts'
import { findPasskeyStatement, unchangedPasskeyAssertion, usePasskeyStatement } from './passkeys.ts'
import { spend } from './tickets.ts'
import { accountOf, accountStatement } from './users.ts'
import type { AuthenticationResponse } from './webauthn/bodies.ts'
import { verifyAssertion } from './webauthn/ceremony.ts'

/** `POST /login/passkey/options`: what a browser needs to ask for a passkey. It stores nothing and asks no database. */
export async function passkeyLoginOptions(c: Context<App>): Promise<Response> {
  return c.json(await requestOptions(c))
}

/**
 * `POST /login/passkey`: starts a session for the holder of a passkey; with `?cookie=true` by cookies. Two round trips:
 * the key has to be known before its signature can be verified. Throws `passkey_refused`.
 */
export async function loginByPasskey(
  c: Context<App>,
  answer: AuthenticationResponse,
  cookies: boolean,
): Promise<Response> {
  const { ticket, known, counter, cloned } = await verifyAssertion(
    answer,
    expectedAnswer(c, 'passkey login', []),
    find,
  )
  const owner = { [OWNER]: known.userId, id: known.id }
  if (cloned) {
    log('warn', {
      event: 'passkey_counter_went_back',
      security: 'passkey_counter_went_back',
      request_id: c.get('requestId'),
      user: known.userId,
    })
    throw new Problem('passkey_refused', {
      detail: 'The passkey was refused: its counter went back, as a copy’s would.',
    })
  }
  const session = await newSession(c, known.userId, 'login_passkey', cookies)
  const results = await c
    .get('database')
    .batch([
      bind(unchangedPasskeyAssertion, { ...owner, known: known.counter, problem: raise('passkey_refused') }),
      ...spend(ticket, 'passkey_refused'),
      bind(usePasskeyStatement, { ...owner, counter }),
      ...session.statements,
      bind(accountStatement, owner),
    ])
  const account = results.at(-1)?.[0]
  if (!account) throw new Error('a passkey without an account')
  return session.answer(accountOf(account).role)

  async function find() {
    const look = bind(findPasskeyStatement, { credential: answer.id })
    const [[row] = []] = await c.get('database').batch([look], { repeatable: true })
    if (!row) return undefined
    const userId = String(row.user_id)
    return {
      userId,
      id: String(row.id),
      credential_id: answer.id,
      public_key: String(row.public_key),
      algorithm: Number(row.algorithm),
      counter: Number(row.counter),
      backup_eligible: row.backup_eligible === 1,
      userHandle: handleOf(userId),
    }
  }
}
