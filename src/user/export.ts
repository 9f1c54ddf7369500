import { sql, type SQL } from 'drizzle-orm'
import type { Context, Hono } from 'hono'
import { activityOf, activityStatement } from '../accounts/activity.ts'
import { recordIfAccount } from '../auth/activity.ts'
import { identitiesStatement, identityOf } from '../accounts/identities.ts'
import { passkeyOf, passkeysStatement } from '../accounts/passkeys.ts'
import { sessionOf, sessionsStatement } from '../accounts/sessions.ts'
import { accountOf, accountStatement } from '../accounts/users.ts'
import type { Database, Row } from '../d1/database.ts'
import type { App } from '../context.ts'
import { log } from '../log.ts'
import { accountsOf } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { chargeUser } from '../http/rate-limit.ts'
import { Routes } from '../http/routes.ts'
import { isTeamId } from '../ids.ts'
import { memo } from '../memo.ts'
import { Problem } from '../problems.ts'
import { noting, teamActivityOf, teamActivityStatement } from '../teams/activity.ts'
import { bindIn } from '../teams/bound.ts'
import { invitationOf, invitationsStatement } from '../teams/invitations.ts'
import { memberOf, membersStatement } from '../teams/members.ts'
import { teamOf, teamStatement } from '../teams/teams.ts'
import { TOP } from '../engine/page.ts'
import type { Resource } from '../engine/resource.ts'
import { decode } from '../engine/sql/rows.ts'
import { isUnderLive, scopeOf } from '../engine/sql/scope.ts'
import { bind, compileOwned, OWNER, type Statement, slot } from '../d1/statement.ts'

/** How many rows one round trip fetches: what is in memory at a time. */
const BATCH = 1_000

/** A list in the document: its name, and a statement for its rows by id, newest first, from after the placeholder `after`. */
interface Part {
  name: string
  statement: Statement
  shown: (row: Row) => unknown
}

/**
 * `GET /api/{user_id}/export`: one JSON document of the account, its sessions, passkeys and identities, what happened to
 * it (of a team: its members, and for its administrators the invitations and what happened) and every live row of every
 * collection, streamed in pages, each as it was when it was read. An export that fails is cut off, so that what arrived is
 * not valid JSON.
 */
export function exportFor(resources: readonly Resource[]): Hono<App> {
  const routes = new Routes()
  const collections = memo(() =>
    resources.map((resource): Part => ({
      name: resource.name,
      statement: compileOwned(rowsStatement(resource)),
      shown: (row) => decode(resource, row),
    })),
  )

  routes.get('/', async (c) => {
    const owner = c.get('owner')
    const exported_at = new Date().toISOString()
    // Before the first byte, so that what is wrong from the start is a problem and not a broken download.
    const accounts = accountsOf(c)
    const { about, parts } = await (isTeamId(owner) ? teamIn : accountIn)(c, accounts)
    const sources = [
      ...parts.map((part) => ({ ...part, database: accounts })),
      ...collections().map((part) => ({ ...part, database: c.get('database') })),
    ]
    const head = { user_id: owner, exported_at, ...about }
    c.header('Content-Disposition', `attachment; filename="export-${exported_at.slice(0, 10)}.json"`)
    c.header('Content-Type', 'application/json')
    return c.body(streamOf(documentOf(c, head, sources)))
  })

  otherMethods(routes, '/')
  return routes
}

/** What an export has besides rows: what it begins with, and lists. */
interface Besides {
  about: object
  parts: readonly Part[]
}

/** Of a user, the account; notes the export. */
async function accountIn(c: Context<App>, accounts: Database): Promise<Besides> {
  const owner = c.get('owner')
  const { sessionId } = c.get('identity')
  const [[account] = []] = await accounts.batch([
    bind(accountStatement, { [OWNER]: owner }),
    recordIfAccount(c, 'exported', owner, sessionId),
  ])
  return {
    about: { account: account ? accountOf(account) : null },
    parts: [sessionsOf(c), ...WAYS_IN, ACTIVITY],
  }
}

/** Of a team, its members, and what only its administrators see; notes the export. */
async function teamIn(c: Context<App>, accounts: Database): Promise<Besides> {
  const about = [teamStatement, noting.exported].map((statement) => bindIn(c, statement))
  const [[row] = []] = await accounts.batch(about)
  if (!row) throw new Problem('row_not_found')
  const isAdmin = row.role === 'admin' || row.role === 'owner'
  return { about: { team: teamOf(row) }, parts: [MEMBERS, ...(isAdmin ? ADMINISTRATION : [])] }
}

const MEMBERS: Part = { name: 'members', statement: membersStatement, shown: memberOf }
const ADMINISTRATION: readonly Part[] = [
  { name: 'invitations', statement: invitationsStatement, shown: invitationOf },
  { name: 'activity', statement: teamActivityStatement, shown: teamActivityOf },
]

/** How its owner gets into the account, beside a password. */
const WAYS_IN: readonly Part[] = [
  { name: 'passkeys', statement: passkeysStatement, shown: passkeyOf },
  { name: 'identities', statement: identitiesStatement, shown: identityOf },
]

/** What happened to the account. */
const ACTIVITY: Part = { name: 'activity', statement: activityStatement, shown: activityOf }

function sessionsOf(c: Context<App>): Part {
  const { sessionId } = c.get('identity')
  return { name: 'sessions', statement: sessionsStatement, shown: (row) => sessionOf(row, sessionId) }
}

/** The live rows of a collection whose ancestors are live. */
function rowsStatement(resource: Resource): SQL {
  const { table, parent } = resource
  const reachable = parent ? sql` AND ${isUnderLive(table, parent)}` : sql``
  return sql`SELECT ${scopeOf(resource).columns} FROM ${table} WHERE ${table.user_id} = ${slot(OWNER)}
    AND ${table.id} < ${slot('after')} AND ${table.deleted_at} IS NULL${reachable} ORDER BY ${table.id} DESC LIMIT ${slot('limit')}`
}

/** The document as text, a page of rows at a time. */
async function* documentOf(
  c: Context<App>,
  head: object,
  parts: readonly (Part & { database: Database })[],
): AsyncGenerator<string, void> {
  const owner = c.get('owner')
  let count = 0
  yield JSON.stringify(head).slice(0, -1)
  for (const { name, statement, shown, database } of parts) {
    yield `,\n${JSON.stringify(name)}:[`
    let separator = '\n'
    for (let after: unknown = TOP; after !== undefined;) {
      const page = bind(statement, { [OWNER]: owner, after, limit: BATCH })
      const [rows = []] = await database.batch([page], { repeatable: true })
      chargeUser(c)
      after = rows.length === BATCH ? rows.at(-1)?.id : undefined
      count += rows.length
      if (rows.length) yield separator + rows.map((row) => JSON.stringify(shown(row))).join(',\n')
      separator = ',\n'
    }
    yield ']'
  }
  yield '}\n'
  // The request's own line was written when the first byte left.
  const { batches, rowsRead } = c.get('cost')
  log('info', {
    event: 'export',
    request_id: c.get('requestId'),
    user: owner,
    rows: count,
    db_batches: batches,
    rows_read: rowsRead,
  })
}

function streamOf(texts: AsyncGenerator<string, void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await texts.next()
      if (next.done) controller.close()
      else controller.enqueue(encoder.encode(next.value))
    },
    async cancel() {
      await texts.return(undefined)
    },
  })
}
