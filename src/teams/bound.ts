import type { Context } from 'hono'
import { rankOf } from '../auth/role-guard.ts'
import type { App } from '../context.ts'
import { raise } from '../d1/assertion.ts'
import { bind, OWNER, type BoundStatement, type Statement, type Values } from '../d1/statement.ts'

/**
 * A statement over the request's team, which the guards hold its caller to be in; an administrator of the deployment is as
 * high as an owner.
 */
export function bindIn(c: Context<App>, statement: Statement, values: Values = {}): BoundStatement {
  const { userId: caller, role } = c.get('identity')
  const floor = role === 'admin' ? rankOf('owner') : 0
  return bind(statement, { ...values, [OWNER]: c.get('owner'), caller, floor })
}

/** {@link bindIn} of an assertion, which raises the problem. */
export function assertedIn(
  c: Context<App>,
  statement: Statement,
  problem: 'row_not_found' | 'insufficient_role' | 'last_owner',
  values: Values,
): BoundStatement {
  return bindIn(c, statement, { ...values, problem: raise(problem) })
}
