import { sql } from 'drizzle-orm'
import { RANK } from '../auth/role-guard.ts'
import { teamMembers } from '../auth/schema.ts'
import type { TeamRole } from '../context.ts'
import { assertion } from '../d1/assertion.ts'
import { NOW, NOW_MS } from '../d1/clock.ts'
import type { Row } from '../d1/database.ts'
import { compileOwned, OWNER, slot } from '../d1/statement.ts'
import { idempotencyKeys, isTheKey } from '../engine/idempotency.ts'
import { teams } from './schema.ts'

/** What a member sees of a team. */
export interface Team {
  id: string
  name: string
  /** The caller's role. */
  role: TeamRole
  created_at: string
  revision: number
}

/** How many teams one may be in when making another. */
const MAX_TEAMS = 500

const isCaller = sql`${teamMembers.user_id} = ${slot('caller')} AND ${RANK} > 0`
/** An administrator of the deployment who is no member may do what an owner may. */
const role = sql`coalesce((SELECT role FROM ${teamMembers} WHERE team_id = ${slot(OWNER)} AND ${isCaller}), 'owner') AS role`

/** Asserts that the owner, a user, may be in another team. */
export const roomForTeamAssertion = compileOwned(
  assertion(sql`(SELECT count(*) FROM ${teamMembers} WHERE ${teamMembers.user_id} = ${slot(OWNER)} AND ${RANK} > 0)
    < ${sql.raw(String(MAX_TEAMS))}`),
)

/** Makes the team `owner` with the placeholder `name`. */
export const newTeamStatement = compileOwned(
  sql`INSERT INTO ${teams} (id, name, revision, created_at) VALUES (${slot(OWNER)}, ${slot('name')}, ${NOW_MS}, ${NOW})
    RETURNING id, name, 'owner' AS role, created_at, revision`,
)

/** Makes the placeholder `caller` the first owner of the team. */
export const firstOwnerStatement = compileOwned(
  sql`INSERT INTO ${teamMembers} (team_id, user_id, role, joined_at) VALUES (${slot(OWNER)}, ${slot('caller')}, 'owner', ${NOW})`,
)

/** The team, with the caller's role. */
export const teamStatement = compileOwned(
  sql`SELECT id, name, ${role}, created_at, revision FROM ${teams} WHERE id = ${slot(OWNER)}`,
)

/** The team that the owner, a user, made under an Idempotency-Key, as long as they are in it. */
export const recalledTeamStatement =
  compileOwned(sql`SELECT ${teams.id}, ${teams.name}, ${teamMembers.role}, ${teams.created_at}, ${teams.revision}
    FROM ${idempotencyKeys} JOIN ${teams} ON ${teams.id} = json_extract(${idempotencyKeys.outcome}, '$[0].id')
    JOIN ${teamMembers} ON ${teamMembers.team_id} = ${teams.id} AND ${teamMembers.user_id} = ${slot(OWNER)} AND ${RANK} > 0
    WHERE ${isTheKey}`)

/** The teams that the owner, a user, is in, newest first, from after the placeholder `after`; one more than a page. */
export const teamsStatement =
  compileOwned(sql`SELECT ${teams.id}, ${teams.name}, ${teamMembers.role}, ${teams.created_at}, ${teams.revision}
    FROM ${teamMembers} JOIN ${teams} ON ${teams.id} = ${teamMembers.team_id}
    WHERE ${teamMembers.user_id} = ${slot(OWNER)} AND ${RANK} > 0 AND ${teamMembers.team_id} < ${slot('after')}
    ORDER BY ${teamMembers.team_id} DESC LIMIT ${slot('limit')}`)

/** The team is at one of the revisions of the placeholder `match`, a JSON array, or at any where that is null. */
export const isAtMatch = sql`${teams.id} = ${slot(OWNER)} AND (${slot('match')} = 'null'
  OR ${teams.revision} IN (SELECT value FROM json_each(${slot('match')})))`

/** Gives the team another name, if {@link isAtMatch}. */
export const renameStatement = compileOwned(
  sql`UPDATE ${teams} SET name = ${slot('name')}, revision = max(revision + 1, ${NOW_MS})
    WHERE ${isAtMatch}
    RETURNING id, name, ${role}, created_at, revision`,
)

/** A row of {@link teamsStatement} as a member sees it. */
export function teamOf({ id, name, role: own, created_at, revision }: Row) {
  return { id, name, role: own, created_at, revision }
}
