import type { Context } from 'hono'
import type * as z from 'zod'
import type { App } from '../context.ts'
import { limitAccount } from '../http/rate-limit.ts'
import { Problem } from '../problems.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { passwordChange } from './bodies.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import { endOthersStatement } from './sessions.ts'
import { inTurn } from './turns.ts'
import { hashStatement, rehashStatement, unchangedAssertion } from './users.ts'

/**
 * `PUT /password`: sets a new password for who knows the current one, and ends every other session in the same batch.
 * Throws `invalid_credentials`, `no_account`, `rate_limited`, `busy`.
 */
export async function changePassword(
  c: Context<App>,
  { current_password, new_password }: z.output<typeof passwordChange>,
): Promise<Response> {
  const { userId, sessionId } = c.get('identity')
  const owner = { [OWNER]: userId }
  const database = c.get('database')
  const [[row] = []] = await database.batch([bind(hashStatement, owner)], { repeatable: true })
  if (!row) throw new Problem('no_account')
  await limitAccount(c, 'login', userId)
  const known = typeof row.password_hash === 'string' ? row.password_hash : undefined
  const hash = await inTurn(async () => {
    const { matches } = await verifyPassword(current_password, known)
    if (!matches) throw new Problem('invalid_credentials')
    return hashPassword(new_password)
  })
  if (known === undefined) throw new Problem('invalid_credentials')
  await database.batch([
    bind(unchangedAssertion, { ...owner, known, role: row.role, problem: raise('invalid_credentials') }),
    bind(rehashStatement, { ...owner, hash }),
    bind(endOthersStatement, { ...owner, session: sessionId ?? '' }),
  ])
  return c.body(null, 204)
}
