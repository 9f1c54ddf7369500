import { sql, type Placeholder, type SQL } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { activity, teamMembers } from '../auth/schema.ts'
import { NOW_MS } from '../d1/clock.ts'
import { compileOwned, list, OWNER, slot, type Statement } from '../d1/statement.ts'
import { idempotencyKeys } from '../engine/idempotency.ts'
import type { Resource } from '../engine/resource.ts'
import { teamInvitations, teams } from '../teams/schema.ts'

/** The teams that the owner, a user, is or was in. */
const ever = sql`SELECT team_id FROM ${teamMembers} WHERE user_id = ${slot(OWNER)}`

/** {@link ever}, where somebody else is now, with or without this further condition. */
function others(further: SQL = sql``): SQL {
  return sql`EXISTS (SELECT 1 FROM ${teamMembers} AS other WHERE other.team_id = ${teamMembers.team_id}
    AND other.user_id <> ${slot(OWNER)} AND other.role <> 'former'${further})`
}

/** The teams that go with their only member. */
const alone = sql`${ever} AND role <> 'former' AND NOT ${others()}`

/** The assertion that an owner stays with the members of each team that the owner, a user, is about to leave. */
const ownersStay = compileOwned(sql`INSERT INTO assertion SELECT NOT EXISTS (
  ${ever} AND role = 'owner' AND ${others()} AND NOT ${others(sql` AND other.role = 'owner'`)}), 'last_owner'`)

/**
 * The statements that take the owner, a user, out of every team: those that nobody else is in are gone with all they own, and
 * in the others nothing names the user any more. `owned` are the tables that a team's rows are in. Their batch throws
 * `last_owner`.
 */
export function partingStatements(
  owned: readonly (SQLiteTable & { user_id: unknown })[],
  resources: readonly Resource[],
): Statement[] {
  const me = slot(OWNER)
  return [
    ownersStay,
    ...[
      ...owned.map((table) => sql`DELETE FROM ${table} WHERE user_id IN (${alone})`),
      sql`DELETE FROM ${teamInvitations} WHERE team_id IN (${alone})`,
      // What it returns closes the connections of those who only watch.
      sql`DELETE FROM ${teams} WHERE id IN (${alone}) RETURNING id`,
      ...forgetting(resources, ever, me),
      forget(activity, ['actor_id', 'member_id'], ever, me),
      sql`DELETE FROM ${teamInvitations} WHERE team_id IN (${ever}) AND invited_by = ${me}`,
      // What these return tells the teams' objects.
      sql`DELETE FROM ${teamMembers} WHERE team_id IN (${alone}) RETURNING team_id`,
      sql`DELETE FROM ${teamMembers} WHERE user_id = ${me} RETURNING team_id`,
    ].map(compileOwned),
  ]
}

/** Takes a user out of the rows of teams. */
function forgetting(resources: readonly Resource[], teamIds: SQL, user: Placeholder): SQL[] {
  return [
    ...resources.map(({ table }) => forgetIn(table, teamIds, user)),
    sql`DELETE FROM ${idempotencyKeys} WHERE user_id IN (${teamIds}) AND instr(route, ${user} || ' ') = 1`,
  ]
}

/** The statements that take the placeholder `member` out of the rows of the owner, a team. */
export function forgetMemberStatements(resources: readonly Resource[]): Statement[] {
  return forgetting(resources, sql`${slot(OWNER)}`, slot('member')).map(compileOwned)
}

/** Clears the columns that name a user in what is noted of teams. */
function forget(table: SQLiteTable, columns: readonly string[], teamIds: SQL, user: Placeholder): SQL {
  const { cleared, isNamed } = naming(columns, user)
  return sql`UPDATE ${table} SET ${cleared} WHERE user_id IN (${teamIds}) AND ${isNamed}`
}

/**
 * Clears the columns that name a user in rows of teams, which get new revisions, in the order of the old ones: so every
 * copy hears of it. A row that says nobody was written by its team.
 */
function forgetIn(table: SQLiteTable, teamIds: SQL, user: Placeholder): SQL {
  const { cleared, isNamed } = naming(['created_by', 'updated_by'], user)
  const newest = sql`(SELECT revision FROM ${table} AS newest WHERE newest.user_id = old.user_id ORDER BY revision DESC LIMIT 1)`
  return sql`UPDATE ${table} SET ${cleared}, revision = anew.revision FROM (
    SELECT user_id AS team, id AS row_id, max(${newest}, ${NOW_MS})
      + row_number() OVER (PARTITION BY user_id ORDER BY revision) AS revision
    FROM ${table} AS old WHERE user_id IN (${teamIds}) AND ${isNamed}) AS anew
    WHERE user_id = anew.team AND id = anew.row_id`
}

/** What clears the columns that name a user, and the condition that one does. */
function naming(columns: readonly string[], user: Placeholder) {
  const names = columns.map((name) => sql.identifier(name))
  return {
    cleared: list(names.map((name) => sql`${name} = nullif(${name}, ${user})`)),
    isNamed: sql`${user} IN (${list(names.map((name) => sql`${name}`))})`,
  }
}
