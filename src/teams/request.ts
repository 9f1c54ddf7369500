import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { enterTeam } from '../auth/require-owner.ts'
import type { App, TeamRole } from '../context.ts'
import type { Row } from '../d1/database.ts'
import { bind, type Statement, type Values } from '../d1/statement.ts'
import { pageOf, pageValues } from '../engine/page.ts'
import { isTeamId } from '../ids.ts'
import { Problem } from '../problems.ts'
import { bindIn } from './bound.ts'

/** Lets through members of the team with at least this role. */
export function requireRole(least: TeamRole) {
  return createMiddleware<App>(async function requiresRole(c, next) {
    await enterTeam(c, next, teamIn(c), least)
  })
}

/** The `{team_id}` of the path. Throws `not_your_path` for one that no team can have. */
export function teamIn(c: Context<App>): string {
  const team = c.req.param('team_id') ?? ''
  if (!isTeamId(team)) throw new Problem('not_your_path')
  return team
}

/** Does the statements over the request's team in one batch. */
export async function ask(
  c: Context<App>,
  statements: readonly Statement[],
  values?: Values,
): Promise<Row[][]> {
  return c.get('database').batch(
    statements.map((statement) => bindIn(c, statement, values)),
    { repeatable: c.req.method === 'GET' || c.req.method === 'HEAD' },
  )
}

/** A page of a list of the team's, or of the owner's in `values`. */
export async function listed(
  c: Context<App, string, { out: { query: { limit: number; cursor?: string | undefined } } }>,
  name: string,
  statement: Statement,
  shown: (row: Row) => unknown,
  values?: Values,
): Promise<Response> {
  const query = c.req.valid('query')
  const page = { ...values, ...pageValues(name, query) }
  const bound = values ? bind(statement, page) : bindIn(c, statement, page)
  const [rows = []] = await c.get('database').batch([bound], { repeatable: true })
  return c.json(pageOf(name, query.limit, rows, shown))
}

/** The row. Throws `row_not_found` when there is none. */
export function found(row: Row | undefined): Row {
  if (!row) throw new Problem('row_not_found')
  return row
}
