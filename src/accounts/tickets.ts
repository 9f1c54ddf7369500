import { sql } from 'drizzle-orm'
import { base64url } from 'jose'
import { parse, stringify, v7 as uuidv7 } from 'uuid'
import type { Config } from '../config.ts'
import { assertion, raise } from '../d1/assertion.ts'
import { NOW_MS } from '../d1/clock.ts'
import { bind, compileUnscoped, slot, type BoundStatement } from '../d1/statement.ts'
import type { ProblemType } from '../problems.ts'
import { UUID_V7 } from '../ids.ts'
import { derivedKey } from './derived-key.ts'
import { spentTickets } from './schema.ts'

/** What a ticket permits. */
export type Purpose =
  | 'passkey login'
  | 'new passkey'
  | 'registration by passkey'
  | 'provider login'
  | 'login code'

/** How long any ticket may live, in seconds; a spent one is remembered for longer. */
const MAX_AGE = 600
/** How far the clocks of two isolates may be apart, in milliseconds. */
const LEEWAY = 30_000
const [ID_BYTES, MAC_BYTES] = [16, 32]

/**
 * A signed text that permits one thing, once, for a few minutes. It is its id, a UUIDv7 that says when it was made, and
 * an HMAC of the id, the purpose and the `subject`: what it is bound to, which its opener has to know. Nothing is stored
 * before it is spent.
 */
export async function newTicket(
  config: Config,
  purpose: Purpose,
  subject: readonly string[],
): Promise<string> {
  const id = uuidv7()
  const signature = await crypto.subtle.sign('HMAC', await ticketKey(config), message(purpose, subject, id))
  return base64url.encode(Uint8Array.from([...parse(id), ...new Uint8Array(signature)]))
}

/** The id of a ticket of this purpose and subject that is at most so many seconds old; undefined for any other text. */
export async function openTicket(
  config: Config,
  purpose: Purpose,
  subject: readonly string[],
  text: string,
  seconds: number,
): Promise<string | undefined> {
  const id = ticketId(text)
  if (id === undefined) return undefined
  const age = Date.now() - Number.parseInt(id.replace('-', '').slice(0, 12), 16)
  if (age > Math.min(seconds, MAX_AGE) * 1000 || age < -LEEWAY) return undefined
  const signature = base64url.decode(text).slice(ID_BYTES)
  const holds = await crypto.subtle.verify(
    'HMAC',
    await ticketKey(config),
    signature,
    message(purpose, subject, id),
  )
  return holds ? id : undefined
}

/** The id that a ticket names, signed or not; undefined for a text of another form. */
export function ticketId(text: string): string | undefined {
  try {
    const bytes = base64url.decode(text)
    if (bytes.length !== ID_BYTES + MAC_BYTES || base64url.encode(bytes) !== text) return undefined
    const id = stringify(bytes.subarray(0, ID_BYTES))
    return UUID_V7.test(id) ? id : undefined
  } catch {
    return undefined
  }
}

const unspentAssertion = compileUnscoped(
  assertion(sql`NOT EXISTS (SELECT 1 FROM ${spentTickets} WHERE id = ${slot('ticket')})`),
)
const spendStatement = compileUnscoped(sql`INSERT INTO ${spentTickets} (id) VALUES (${slot('ticket')})`)

/** Spends a ticket in the batch of what it permits, which throws the problem when it was spent before. */
export function spend(ticket: string, problem: ProblemType): BoundStatement[] {
  const values = { ticket, problem: raise(problem) }
  return [bind(unspentAssertion, values), bind(spendStatement, values)]
}

/** Forgets spent tickets that are too old to be opened: their ids begin with the time they were made. */
export const forgetTicketsStatement = compileUnscoped(sql`DELETE FROM ${spentTickets}
  WHERE replace(id, '-', '') < printf('%012x', ${NOW_MS} - ${sql.raw(String(2 * MAX_AGE * 1000))})`)

function ticketKey(config: Config): Promise<CryptoKey> {
  return derivedKey(config, 'tickets')
}

function message(purpose: Purpose, subject: readonly string[], id: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(JSON.stringify([purpose, ...subject, id])))
}
