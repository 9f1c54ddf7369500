import type { Context } from 'hono'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { bind, OWNER, type BoundStatement } from '../d1/statement.ts'
import { canMail, sendLater } from './mail/mailer.ts'
import { verifyLetter } from './mail/templates.ts'
import { askVerifyAgainStatement, askVerifyStatement, encodeProof, LIFETIMES, newSecret } from './proofs.ts'

/** A mail that asks a new account's address to prove itself. */
interface Verification {
  /** Stores its token, in the batch that makes the account. */
  statements: readonly BoundStatement[]
  /** Sends it, once that batch is done. */
  send: () => void
}

/** Prepares the first mail to the address of a new account; nothing where no mail can be sent. */
export async function newVerification(c: Context<App>, userId: string, email: string): Promise<Verification> {
  if (!canMail(c.env)) return { statements: [], send: () => {} }
  const { secret, hash } = await newSecret()
  const values = { [OWNER]: userId, token: hash, lifetime: LIFETIMES.verify }
  return {
    statements: [bind(askVerifyStatement, values)],
    send: () => sendLater(c, () => verifyLetter(email, linkTo(c, 'verify', secret, userId))),
  }
}

/**
 * Mails the address of an account another token to verify it; nothing when it is verified, or when the account has no
 * address. For a login that is refused, only when the token sent before has expired.
 */
export async function sendVerification(c: Context<App>, userId: string, expired = false): Promise<void> {
  if (!canMail(c.env)) return
  const { secret, hash } = await newSecret()
  const values = { [OWNER]: userId, token: hash, lifetime: LIFETIMES.verify }
  const asking = bind(expired ? askVerifyAgainStatement : askVerifyStatement, values)
  const [[row] = []] = await c.get('database').batch([asking], { repeatable: true })
  if (row) sendLater(c, () => verifyLetter(String(row.email), linkTo(c, 'verify', secret, userId)))
}

/** A link with the token in its fragment, which no server, log or link scanner sees. */
export function linkTo(
  c: Context<App>,
  purpose: 'reset' | 'verify' | 'invitation',
  secret: Uint8Array,
  userId: string,
): string {
  const url = new URL(readConfig(c.env).APP_URL ?? '/', c.req.url)
  url.hash = `${purpose}=${encodeProof(secret, userId)}`
  return url.href
}
