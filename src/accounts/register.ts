import type { Context } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import type { App } from '../context.ts'
import { limitAccount } from '../http/rate-limit.ts'
import { Problem } from '../problems.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import type { Credentials } from './bodies.ts'
import { hashPassword } from './passwords.ts'
import { inTurn } from './turns.ts'
import { accountOf, freeEmailAssertion, registerStatement, takenStatement } from './users.ts'

/** `POST /register`: makes an account, and no session. Throws `email_taken`, `rate_limited`, `busy`. */
export async function register(c: Context<App>, { email, password }: Credentials): Promise<Response> {
  await limitAccount(c, 'register', email)
  const database = c.get('database')
  // Looked up once it is our turn: of a hundred registrations that wait with the same e-mail only one is worth a hash.
  const hash = await inTurn(async () => {
    const [taken = []] = await database.batch([bind(takenStatement, { email })], { repeatable: true })
    if (taken.length) throw new Problem('email_taken')
    return hashPassword(password)
  })
  const [, [row] = []] = await database.batch([
    bind(freeEmailAssertion, { email, problem: raise('email_taken') }),
    bind(registerStatement, { [OWNER]: uuidv7(), email, hash }),
  ])
  if (!row) throw new Error('an insert returned no row')
  c.header('Location', '/api/auth/me')
  return c.json(accountOf(row), 201)
}
