import { sql, type SQL } from 'drizzle-orm'
import { raise } from '../d1/assertion.ts'
import type { Guard } from '../d1/database.ts'
import { assertionAtHome, HOME, withHome } from '../d1/fence.ts'
import { bind, compileOwned, compileUnscoped, OWNER, slot } from '../d1/statement.ts'
import { memo } from '../memo.ts'
import { erasedUsers, users } from './schema.ts'
import type { Verified } from './tokens.ts'
import { tombstoneOf } from './tombstone.ts'

const notErased = sql`NOT EXISTS (SELECT 1 FROM ${erasedUsers} WHERE user_hash = ${slot('tombstone')})`
const notOurs = sql`NOT EXISTS (SELECT 1 FROM ${users} WHERE id = ${slot(OWNER)})`

const own = statementsFor(notErased, compileUnscoped)
const foreign = statementsFor(sql`${notErased} AND ${notOurs}`, compileOwned)

/** Digested once for each token that is remembered. */
const tombstoneFor = memo(({ userId }: Verified) => tombstoneOf(userId))

function statementsFor(holds: SQL, compile: typeof compileOwned) {
  return {
    selects: compile(sql`SELECT ${withHome(sql`1`)} WHERE ${holds}`),
    asserts: compile(assertionAtHome(holds)),
  }
}

/**
 * What must hold for every batch of a request whose token names no session: its user has not been erased, and, when an
 * identity provider issued it, is no account of this deployment, whose ids are another namespace. A session's token needs
 * neither: the session ends with its account. `home` is as for a session's.
 */
export function subjectGuard(caller: Verified, reads: boolean, home = ''): Guard {
  const statements = caller.own ? own : foreign
  const values = {
    [OWNER]: caller.userId,
    tombstone: tombstoneFor(caller),
    [HOME]: home,
    problem: raise('invalid_token'),
  }
  const statement = bind(reads ? statements.selects : statements.asserts, values)
  return { statement, problem: 'invalid_token', selects: reads }
}
