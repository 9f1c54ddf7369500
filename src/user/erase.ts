import { sql } from 'drizzle-orm'
import type { Context, Hono } from 'hono'
import { guesses, identities, passkeys, proofs } from '../accounts/schema.ts'
import { recordIfAccount } from '../auth/activity.ts'
import { clearTokenCookies } from '../auth/cookies.ts'
import { activity, erasedUsers, movedOwners, sessions, teamMembers, users } from '../auth/schema.ts'
import { tombstoneOf } from '../auth/tombstone.ts'
import { readConfig, type Bindings } from '../config.ts'
import type { App } from '../context.ts'
import { NOW } from '../d1/clock.ts'
import type { Database } from '../d1/database.ts'
import {
  bind,
  compileOwned,
  compileUnscoped,
  OWNER,
  slot,
  type Concern,
  type Statement,
} from '../d1/statement.ts'
import { idempotencyKeys } from '../engine/idempotency.ts'
import { remainingRows } from '../engine/quota.ts'
import type { Resource } from '../engine/resource.ts'
import { accountsOf } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { Routes } from '../http/routes.ts'
import { isTeamId } from '../ids.ts'
import { memo } from '../memo.ts'
import { teamInvitations, teams } from '../teams/schema.ts'
import { partingStatements } from './part.ts'

// Foreign keys are checked at the end of the batch, so the tables can be emptied in any order.
const deferStatement = compileUnscoped(sql`PRAGMA defer_foreign_keys = on`)

/** Refuses the tokens of the user with the placeholder `tombstone` from now on. */
export const tombstoneStatement = compileUnscoped(
  sql`INSERT OR REPLACE INTO ${erasedUsers} (user_hash, erased_at) VALUES (${slot('tombstone')}, ${NOW})`,
)

/** What every owner may have, a user or a team. */
function ownedTables(resources: readonly Resource[]) {
  return [...resources.map(({ table }) => table), idempotencyKeys, remainingRows, movedOwners, activity]
}

/**
 * The statements that erase the owner, a user, and every row of theirs, with the teams that nobody else is in. Their batch
 * throws `last_owner` when a team would be left without an owner.
 */
export function eraseStatements(resources: readonly Resource[]): Statement[] {
  const tables = [...ownedTables(resources), sessions, proofs, guesses, passkeys, identities]
  return [
    deferStatement,
    ...partingStatements(ownedTables(resources), resources),
    ...tables.map((table) => compileOwned(sql`DELETE FROM ${table} WHERE user_id = ${slot(OWNER)}`)),
    compileOwned(sql`DELETE FROM ${users} WHERE id = ${slot(OWNER)}`),
  ]
}

const teamsStatement = compileOwned(sql`SELECT team_id FROM ${teamMembers} WHERE user_id = ${slot(OWNER)}`)

/**
 * Whose objects an erasure of the owner, a user, concerns: with rows in objects their own and those of their teams, which otherwise the
 * batch returns.
 */
export async function concernsOf(env: Bindings, database: Database, owner: string): Promise<Concern[]> {
  if (readConfig(env).ROWS !== 'objects') return [{ owner, leaves: owner }]
  const [teamRows = []] = await database.batch([bind(teamsStatement, { [OWNER]: owner })], {
    repeatable: true,
  })
  return [owner, ...teamRows.map(({ team_id }) => String(team_id))].map((each) => ({
    owner: each,
    leaves: owner,
  }))
}

function eraseTeamStatements(resources: readonly Resource[]): Statement[] {
  return [
    deferStatement,
    ...ownedTables(resources).map((table) =>
      compileOwned(sql`DELETE FROM ${table} WHERE user_id = ${slot(OWNER)}`),
    ),
    ...[teamInvitations, teamMembers].map((table) =>
      compileOwned(sql`DELETE FROM ${table} WHERE team_id = ${slot(OWNER)}`),
    ),
    // What it returns closes the team's connections.
    compileOwned(sql`DELETE FROM ${teams} WHERE id = ${slot(OWNER)} RETURNING id`),
  ]
}

/** Deletes the request's team with every row it owns, trash included, in one batch; the deleting account's activity tells. */
export function eraseTeamFor(resources: readonly Resource[]): (c: Context<App>) => Promise<Response> {
  const statements = memo(() => eraseTeamStatements(resources))
  return async (c) => {
    const { userId, sessionId } = c.get('identity')
    const values = { [OWNER]: c.get('owner') }
    const concerns = [{ owner: c.get('owner'), leaves: c.get('owner') }]
    await accountsOf(c).batch([
      ...statements().map((statement) => bind(statement, values)),
      { ...recordIfAccount(c, 'team_deleted', userId, sessionId), concerns },
    ])
    return c.body(null, 204)
  }
}

/**
 * `DELETE /api/{user_id}`: the account and every row of the user's, trash included, are gone for good, in one batch. The
 * user may have rows without an account here. Tokens of that user are refused from then on. Of a team, it is
 * `DELETE /api/teams/{id}`.
 */
export function eraseFor(resources: readonly Resource[]): Hono<App> {
  const erase = new Routes()
  const eraseTeam = eraseTeamFor(resources)
  const statements = memo(() => [...eraseStatements(resources), tombstoneStatement])

  erase.delete('/', async (c) => {
    const owner = c.get('owner')
    if (isTeamId(owner)) return eraseTeam(c)
    const values = { [OWNER]: owner, tombstone: tombstoneOf(owner) }
    const database = accountsOf(c)
    const concerns = await concernsOf(c.env, database, owner)
    const erasure = statements().map((statement) => bind(statement, values))
    await database.batch(erasure.map((statement, at) => (at ? statement : { ...statement, concerns })))
    c.set('erased', true)
    if (owner === c.get('identity').userId) clearTokenCookies(c)
    return c.body(null, 204)
  })

  otherMethods(erase, '/')
  return erase
}
