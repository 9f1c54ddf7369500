import { circumstancesOf, record } from '../auth/activity.ts'
import { authenticate } from '../auth/authenticate.ts'
import { recentLoginGuard } from '../auth/recent-login.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER } from '../d1/statement.ts'
import { bookmark } from '../http/bookmark.ts'
import { limitAccount, limitAddress, limitUser } from '../http/rate-limit.ts'
import { validJson } from '../http/validators.ts'
import { Routes } from '../http/routes.ts'
import { Problem } from '../problems.ts'
import { emailBody, emailChange, passwordReset, proofBody } from './bodies.ts'
import { guesserByUser, nobodyWith, refuseBlocked } from './guesses.ts'
import { requireMail, sendLater } from './mail/mailer.ts'
import { changeLetter, leavingLetter, resetLetter, takenLetter } from './mail/templates.ts'
import { refuseGuessable } from './new-password.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import {
  askChangeStatement,
  askResetStatement,
  decodeProof,
  dropGuessesStatement,
  dropProofsStatement,
  dropUnprovedStatements,
  LIFETIMES,
  newSecret,
  provedElsewhereStatement,
  recordProofStatement,
  resetStatement,
  resettableAssertion,
  resettableStatement,
  takeOverStatements,
  verifiableAssertion,
  verifyStatement,
} from './proofs.ts'
import { requireAccounts } from './require-accounts.ts'
import { end } from './sessions.ts'
import { inTurn } from './turns.ts'
import { hashStatement } from './users.ts'
import { linkTo, sendVerification } from './verification.ts'

/** What is proved by mail, below `/api/auth`: a forgotten password, the address of an account, and its next one. */
export const emailRoutes = new Routes()

// The same answer, rows and time whether or not there is such an account: which one it is, only the mail's reader learns.
emailRoutes.post(
  '/password/forgot',
  requireAccounts,
  requireMail,
  limitAddress('mail'),
  validJson(emailBody),
  bookmark,
  async (c) => {
    const { email } = c.req.valid('json')
    await limitAccount(c, 'mail', email)
    const { secret, hash } = await newSecret()
    const values = { email, nobody: await nobodyWith(email), token: hash, lifetime: LIFETIMES.reset }
    const [[row] = []] = await c
      .get('database')
      .batch([bind(askResetStatement, values)], { repeatable: true })
    const userId = String(row?.user_id)
    c.set('hidesCost', true)
    const isKnown = userId !== values.nobody
    sendLater(c, () => (isKnown ? resetLetter(email, linkTo(c, 'reset', secret, userId)) : undefined))
    return c.body(null, 202)
  },
)

emailRoutes.post(
  '/password/reset',
  requireAccounts,
  requireMail,
  limitAddress('proof'),
  validJson(passwordReset),
  bookmark,
  async (c) => {
    const { token, new_password } = c.req.valid('json')
    const values = await decodeProof(token)
    if (!values) throw new Problem('invalid_token_link')
    const database = c.get('database')
    // All in one turn, so that of fifty at once with the same token one pays for a hash.
    await inTurn(async () => {
      const look = [bind(resettableStatement, values)]
      const [[row] = []] = await database.batch(look, { repeatable: true })
      if (!row) throw new Problem('invalid_token_link')
      refuseGuessable(new_password, 'new_password', row.email)
      const hash = await hashPassword(new_password)
      await database.batch([
        bind(resettableAssertion, { ...values, problem: raise('invalid_token_link') }),
        ...dropUnprovedStatements.map((statement) => bind(statement, values)),
        bind(resetStatement, { ...values, hash }),
        ...end(c, 'all', values),
        bind(dropGuessesStatement, values),
        bind(dropProofsStatement, values),
        record(c, 'password_reset', values[OWNER]),
      ])
    })
    return c.body(null, 204)
  },
)

emailRoutes.post(
  '/email/verification',
  requireAccounts,
  requireMail,
  authenticate,
  limitUser,
  bookmark,
  async (c) => {
    const { userId } = c.get('identity')
    await limitAccount(c, 'mail', userId)
    await sendVerification(c, userId)
    c.set('hidesCost', true)
    return c.body(null, 202)
  },
)

// Not by the session: mail is often read on another device.
emailRoutes.post(
  '/email/verify',
  requireAccounts,
  requireMail,
  limitAddress('proof'),
  validJson(proofBody),
  bookmark,
  async (c) => {
    const values = await decodeProof(c.req.valid('json').token)
    if (!values) throw new Problem('invalid_token_link')
    await c
      .get('database')
      .batch([
        bind(verifiableAssertion, { ...values, problem: raise('invalid_token_link') }),
        ...takeOverStatements.map((statement) => bind(statement, values)),
        bind(recordProofStatement, { ...values, ...circumstancesOf(c) }),
        bind(verifyStatement, values),
        bind(dropProofsStatement, values),
      ])
    return c.body(null, 204)
  },
)

emailRoutes.put(
  '/email',
  requireAccounts,
  requireMail,
  authenticate,
  limitUser,
  validJson(emailChange),
  bookmark,
  async (c) => {
    const { email, current_password } = c.req.valid('json')
    const { userId, sessionId } = c.get('identity')
    await limitAccount(c, 'mail', email)
    await limitAccount(c, 'mail', userId)
    const database = c.get('database')
    const owner = { [OWNER]: userId }
    const guesser = guesserByUser(c, userId)
    const look = [bind(hashStatement, owner), guesser.isBlocked]
    const [[row] = [], blocked = []] = await database.batch(look, { repeatable: true })
    if (!row) throw new Problem('no_account')
    if (current_password !== undefined) {
      refuseBlocked(c, blocked)
      const known = typeof row.password_hash === 'string' ? row.password_hash : undefined
      const { matches } = await inTurn(() => verifyPassword(current_password, known))
      if (!matches) {
        await database.batch(guesser.failed)
        throw new Problem('invalid_credentials')
      }
    }
    // The password that came with the request is proof enough.
    const recent = current_password === undefined ? recentLoginGuard(c) : undefined
    const { secret, hash } = await newSecret()
    const results = await database.batch([
      ...(recent ? [recent(false).statement] : []),
      bind(askChangeStatement, { ...owner, email, token: hash, lifetime: LIFETIMES.change }),
      record(c, 'email_change_requested', userId, sessionId),
      bind(provedElsewhereStatement, { ...owner, email }),
    ])
    const isTaken = Boolean(results.at(-1)?.length)
    c.set('hidesCost', true)
    const former = typeof row.email === 'string' ? row.email : undefined
    const link = linkTo(c, 'verify', secret, userId)
    sendLater(c, () => (isTaken ? takenLetter(email) : changeLetter(email, link, former)))
    if (former !== undefined && former !== email) sendLater(c, () => leavingLetter(former))
    return c.body(null, 202)
  },
)
