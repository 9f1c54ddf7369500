import { sql } from 'drizzle-orm'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { v7 as uuidv7 } from 'uuid'
import { admit, identify } from '../auth/authenticate.ts'
import { accessCookie } from '../auth/cookies.ts'
import { sessions, teamMembers, users } from '../auth/schema.ts'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { assertion } from '../d1/assertion.ts'
import { daysAgo, inSeconds, NOW } from '../d1/clock.ts'
import { bind, compileOwned, compileUnscoped, OWNER, slot, type BoundStatement } from '../d1/statement.ts'
import { Problem } from '../problems.ts'
import { newSession } from './new-session.ts'
import { identities, passkeys } from './schema.ts'

const DAY = 24 * 60 * 60
/** How long a guest may stay away, in days. */
const AWAY = 30
/** A guest's session is the only way back, so it lives for as long as it is used, up to what a browser keeps a cookie for. */
const LIFETIME = { ttl: 400 * DAY, idle: AWAY * DAY }
/** How many guests the purge looks up at a time. */
const PURGED = 100

const newGuestStatement = compileOwned(
  sql`INSERT INTO ${users} (id, role, created_at, updated_at) VALUES (${slot(OWNER)}, 'user', ${NOW}, ${NOW})`,
)
const lastingStatement = compileOwned(
  sql`UPDATE ${sessions} SET idle_ttl = ${slot('idle')} WHERE user_id = ${slot(OWNER)} AND id = ${slot('session')}`,
)

/** `POST /guest`: an account without an e-mail, and its first session, in one round trip. */
export async function newGuest(c: Context<App>, cookies: boolean): Promise<Response> {
  const owner = { [OWNER]: uuidv7() }
  const session = await newSession(c, owner[OWNER], 'login_guest', cookies, LIFETIME)
  await c
    .get('database')
    .batch([
      bind(newGuestStatement, owner),
      ...session.statements,
      bind(lastingStatement, { ...owner, session: session.id, idle: LIFETIME.idle }),
    ])
  return session.answer('user', 201)
}

/** Lets requests through where GUESTS is on; throws `not_found` elsewhere. */
export const requireGuests = createMiddleware<App>(async function requireGuests(c, next) {
  if (!readConfig(c.env).GUESTS) throw new Problem('not_found')
  await next()
})

/** Admits who registers with a session, who may be a guest. Goes before the database is opened. */
export const admitGuest = createMiddleware<App>(async function admitGuest(c, next) {
  const sent = c.req.header('Authorization') !== undefined || accessCookie(c) !== undefined
  if (sent && readConfig(c.env).GUESTS) {
    const identity = await identify(c)
    if (identity?.sessionId !== undefined) admit(c, identity)
  }
  await next()
})

const guestStatement = compileOwned(sql`SELECT 1 FROM ${users} WHERE id = ${slot(OWNER)} AND email IS NULL`)

/** The caller, where they have an account without an e-mail, which a registration then completes. */
export async function callingGuest(c: Context<App>): Promise<string | undefined> {
  const identity = c.get('identity')
  if (!identity?.sessionId) return undefined
  const look = bind(guestStatement, { [OWNER]: identity.userId })
  const [guest = []] = await c.get('database').batch([look], { repeatable: true })
  return guest.length ? identity.userId : undefined
}

const settleStatement = compileOwned(
  sql`UPDATE ${sessions} SET idle_ttl = NULL, expires_at = min(expires_at, ${inSeconds('ttl')}),
    ends_at = min(ends_at, ${inSeconds('idle')}) WHERE user_id = ${slot(OWNER)} AND idle_ttl IS NOT NULL`,
)

/** Gives the sessions of a former guest the usual lifetime: the account has another way in now. */
export function settle(c: Context<App>, userId: string): BoundStatement {
  const { SESSION_TTL: ttl, SESSION_IDLE_TTL: idle } = readConfig(c.env)
  return bind(settleStatement, { [OWNER]: userId, ttl, idle })
}

/** Accounts whose only way in was a session, which has ended, that are older than a guest may stay away, and the last owners of no team. */
const isGone = sql`email IS NULL AND password_hash IS NULL AND updated_at <= ${daysAgo(AWAY)}
  AND NOT EXISTS (SELECT 1 FROM ${passkeys} WHERE user_id = ${users.id})
  AND NOT EXISTS (SELECT 1 FROM ${identities} WHERE user_id = ${users.id})
  AND NOT EXISTS (SELECT 1 FROM ${sessions} WHERE user_id = ${users.id} AND ends_at > ${NOW})
  AND NOT EXISTS (SELECT 1 FROM ${teamMembers} AS own WHERE own.user_id = ${users.id} AND own.role = 'owner'
    AND EXISTS (SELECT 1 FROM ${teamMembers} AS other WHERE other.team_id = own.team_id AND other.user_id <> own.user_id AND other.role <> 'former')
    AND NOT EXISTS (SELECT 1 FROM ${teamMembers} AS other WHERE other.team_id = own.team_id AND other.user_id <> own.user_id AND other.role = 'owner'))`

/** The guests who have stayed away. */
export const goneGuestsStatement = compileUnscoped(
  sql`SELECT id FROM ${users} WHERE ${isGone} LIMIT ${sql.raw(String(PURGED))}`,
)

/** Asserts that the owner is one of them still. */
export const goneGuestAssertion = compileOwned(
  assertion(sql`EXISTS (SELECT 1 FROM ${users} WHERE id = ${slot(OWNER)} AND ${isGone})`),
)
