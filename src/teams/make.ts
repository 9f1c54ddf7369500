import { v7 as uuidv7 } from 'uuid'
import { raise } from '../d1/assertion.ts'
import type { Database, Row } from '../d1/database.ts'
import { bind, OWNER } from '../d1/statement.ts'
import { anyKey, type IdempotencyKey, type Outcome } from '../engine/idempotency.ts'
import { Problem } from '../problems.ts'
import { noting } from './activity.ts'
import { found } from './request.ts'
import {
  firstOwnerStatement,
  newTeamStatement,
  recalledTeamStatement,
  roomForTeamAssertion,
} from './teams.ts'

/**
 * Makes a team with the caller as its owner, once under an Idempotency-Key. Throws `too_many_teams`, `key_reused`, and
 * `row_gone` when what was made under the key is deleted, or the caller has left it.
 */
export async function makeTeam(
  database: Database,
  caller: string,
  name: string,
  key: IdempotencyKey | undefined,
): Promise<{ team: Row; replayed: boolean }> {
  const id = `team-${uuidv7()}`
  const values = { [OWNER]: id, caller, name }
  const room = bind(roomForTeamAssertion, { [OWNER]: caller, problem: raise('too_many_teams') })
  const made = [newTeamStatement, firstOwnerStatement, noting.created].map((each) => bind(each, values))
  if (!key) {
    const [, [team] = []] = await database.batch([room, ...made])
    return { team: found(team), replayed: false }
  }
  const outcome: Outcome[] = [{ status: 201, id }]
  const own = { ...key, [OWNER]: caller, outcome: JSON.stringify(outcome), problem: raise('key_used') }
  const once = [anyKey.unused, anyKey.remember].map((each) => bind(each, own))
  try {
    const [, , , [team] = []] = await database.batch([...once, room, ...made], { repeatable: true })
    return { team: found(team), replayed: false }
  } catch (error) {
    if (!(error instanceof Problem && error.type === 'key_used')) throw error
  }
  const recalled = [anyKey.recall, recalledTeamStatement].map((each) => bind(each, own))
  const [[known] = [], [team] = []] = await database.batch(recalled, { repeatable: true })
  // Forgotten between the two trips: the next attempt starts afresh.
  if (!known) throw new Problem('key_used')
  if (known.fingerprint !== key.fingerprint) throw new Problem('key_reused')
  if (!team) throw new Problem('row_gone')
  return { team, replayed: true }
}
