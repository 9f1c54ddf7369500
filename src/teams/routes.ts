import type { Context, Hono, MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { v7 as uuidv7 } from 'uuid'
import { canMail, sendLater } from '../accounts/mail/mailer.ts'
import { invitationLetter } from '../accounts/mail/templates.ts'
import { linkTo } from '../accounts/verification.ts'
import { authenticate } from '../auth/authenticate.ts'
import { requireRecentLogin } from '../auth/recent-login.ts'
import { enterTeam } from '../auth/require-owner.ts'
import { rankOf } from '../auth/role-guard.ts'
import { readConfig } from '../config.ts'
import type { App, TeamRole } from '../context.ts'
import { raise } from '../d1/assertion.ts'
import type { Row } from '../d1/database.ts'
import { bind, OWNER, type BoundStatement, type Statement, type Values } from '../d1/statement.ts'
import { ifMatch } from '../engine/conditional.ts'
import { pageOf, pageQuery, pageValues } from '../engine/page.ts'
import { answer, rowId } from '../engine/routes.ts'
import { staleRevision } from '../engine/store.ts'
import { bookmark } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { limitAccount, limitAddress, limitUser } from '../http/rate-limit.ts'
import { validJson, validQuery } from '../http/validators.ts'
import { Routes } from '../http/routes.ts'
import { isTeamId, isUserId } from '../ids.ts'
import { Problem } from '../problems.ts'
import { noting, teamActivityOf, teamActivityStatement } from './activity.ts'
import { bindIn } from './bound.ts'
import { acceptBody, invitationBody, memberBody, teamBody } from './bodies.ts'
import {
  acceptableAssertion,
  addressedAssertion,
  decodeInvitation,
  invitationOf,
  invitationsStatement,
  inviteStatement,
  joinStatement,
  newcomerAssertion,
  newInvitation,
  useUpStatement,
  withdrawStatement,
} from './invitations.ts'
import {
  mayGiveAssertion,
  memberAssertion,
  memberOf,
  membersStatement,
  memberStatement,
  notAboveAssertion,
  ownerStaysAssertion,
  setRoleStatement,
  withdrawAboveStatement,
} from './members.ts'
import {
  firstOwnerStatement,
  newTeamStatement,
  renameStatement,
  roomForTeamAssertion,
  teamOf,
  teamsStatement,
  teamStatement,
} from './teams.ts'

/** `/api/teams`: teams, who is in them, who is invited, and what happened. `erase` deletes the team and all it owns. */
export function teamsFor(erase: MiddlewareHandler<App>): Hono<App> {
  const routes = new Routes()

  routes.post('/', authenticate, limitUser, bookmark, validJson(teamBody), async (c) => {
    const { userId: caller } = c.get('identity')
    const values = { [OWNER]: `team-${uuidv7()}`, caller, ...c.req.valid('json') }
    const room = bind(roomForTeamAssertion, { [OWNER]: caller, problem: raise('too_many_teams') })
    const made = [newTeamStatement, firstOwnerStatement, noting.created]
    const [, [team] = []] = await c
      .get('database')
      .batch([room, ...made.map((statement) => bind(statement, values))])
    c.header('Location', `${new URL(c.req.url).pathname.replace(/\/$/, '')}/${values[OWNER]}`)
    return answer(c, found(team), 201)
  })

  routes.get('/', authenticate, limitUser, bookmark, validQuery(pageQuery), (c) =>
    listed(c, 'teams', teamsStatement, teamOf, { [OWNER]: c.get('identity').userId }),
  )

  routes.get('/:team_id', authenticate, requireRole('viewer'), limitUser, bookmark, async (c) => {
    const [[team] = []] = await ask(c, [teamStatement])
    return answer(c, found(team))
  })

  routes.patch(
    '/:team_id',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validJson(teamBody),

    async (c) => {
      const match = ifMatch(c)
      const values = { ...c.req.valid('json'), match: JSON.stringify(match ?? null) }
      const [, [renamed] = [], [team] = []] = await ask(
        c,
        [noting.renamed, renameStatement, teamStatement],
        values,
      )
      if (renamed) return answer(c, renamed)
      throw staleRevision(found(team))
    },
  )

  routes.delete(
    '/:team_id',
    authenticate,
    requireRole('owner'),
    requireRecentLogin,
    limitUser,
    bookmark,
    erase,
  )

  routes.get(
    '/:team_id/members',
    authenticate,
    requireRole('viewer'),
    limitUser,
    bookmark,
    validQuery(pageQuery),

    (c) => listed(c, 'members', membersStatement, memberOf),
  )

  routes.patch(
    '/:team_id/members/:user_id',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validJson(memberBody),

    async (c) => {
      const { role } = c.req.valid('json')
      const rank = rankOf(role)
      const values = { role, rank, member: memberIn(c) }
      const results = await c
        .get('database')
        .batch([
          assertedIn(c, memberAssertion, 'row_not_found', values),
          assertedIn(c, notAboveAssertion, 'insufficient_role', values),
          assertedIn(c, mayGiveAssertion, 'insufficient_role', values),
          ...standingOf(c, values, noting.roleChanged),
          bindIn(c, memberStatement, values),
        ])
      return c.json(memberOf(found(results.at(-1)?.[0])))
    },
  )

  routes.delete(
    '/:team_id/members/:user_id',
    authenticate,
    createMiddleware<App>((c, next) =>
      enterTeam(c, next, teamIn(c), memberIn(c) === c.get('identity').userId ? 'viewer' : 'admin'),
    ),
    limitUser,
    bookmark,
    async (c) => {
      const member = memberIn(c)
      const values = { role: 'former', rank: 0, member }
      await c
        .get('database')
        .batch([
          assertedIn(c, memberAssertion, 'row_not_found', values),
          assertedIn(c, notAboveAssertion, 'insufficient_role', values),
          ...standingOf(c, values, member === c.get('identity').userId ? noting.left : noting.removed),
        ])
      return c.body(null, 204)
    },
  )

  routes.post(
    '/:team_id/invitations',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validJson(invitationBody),

    async (c) => {
      const { role, email } = c.req.valid('json')
      if (email !== undefined && !readConfig(c.env).accounts) throw new Problem('accounts_off')
      const mails = email !== undefined && canMail(c.env)
      if (mails) {
        await limitAccount(c, 'mail', c.get('identity').userId)
        await limitAccount(c, 'mail', email)
      }
      const { secret, whose, token, values } = await newInvitation(teamIn(c), uuidv7())
      const all = {
        ...values,
        role,
        rank: rankOf(role),
        email: email ?? null,
        member: c.get('identity').userId,
      }
      const [, [row] = [], , [team] = [], [from] = []] = await c
        .get('database')
        .batch([
          assertedIn(c, mayGiveAssertion, 'insufficient_role', all),
          ...[inviteStatement, noting.invited, teamStatement, memberStatement].map((each) =>
            bindIn(c, each, all),
          ),
        ])
      if (mails) {
        const inviter = typeof from?.email === 'string' ? from.email : undefined
        sendLater(c, () =>
          invitationLetter(email, linkTo(c, 'invitation', secret, whose), String(team?.name), inviter),
        )
      }
      c.header('Location', `${new URL(c.req.url).pathname}/${values.id}`)
      return c.json({ ...invitationOf(found(row)), token }, 201)
    },
  )

  routes.get(
    '/:team_id/invitations',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validQuery(pageQuery),

    (c) => listed(c, 'invitations', invitationsStatement, invitationOf),
  )

  routes.delete(
    '/:team_id/invitations/:id',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    async (c) => {
      const [, [withdrawn] = []] = await ask(c, [noting.withdrawn, withdrawStatement], { id: rowId(c) })
      found(withdrawn)
      return c.body(null, 204)
    },
  )

  routes.get(
    '/:team_id/activity',
    authenticate,
    requireRole('admin'),
    limitUser,
    bookmark,
    validQuery(pageQuery),

    (c) => listed(c, 'activity', teamActivityStatement, teamActivityOf),
  )

  for (const path of new Set(routes.routes.map((route) => route.path))) otherMethods(routes, path)
  return routes
}

/** `POST /api/invitations/accept`: makes the caller a member. */
export const invitations = new Routes()

invitations.post(
  '/accept',
  authenticate,
  limitUser,
  limitAddress('proof'),
  bookmark,
  validJson(acceptBody),

  async (c) => {
    const decoded = await decodeInvitation(c.req.valid('json').token)
    if (!decoded) throw new Problem('invalid_token_link')
    const values = { ...decoded, caller: c.get('identity').userId }
    const bound = (statement: Statement) => bind(statement, values)
    const results = await c
      .get('database')
      .batch([
        bind(acceptableAssertion, { ...values, problem: raise('invalid_token_link') }),
        bind(addressedAssertion, { ...values, problem: raise('not_your_invitation') }),
        bind(newcomerAssertion, { ...values, problem: raise('already_member') }),
        ...[joinStatement, noting.joined, useUpStatement, teamStatement].map(bound),
      ])
    return answer(c, found(results.at(-1)?.[0]))
  },
)
otherMethods(invitations, '/accept')

/** Lets through members of the team with at least this role. */
function requireRole(least: TeamRole) {
  return createMiddleware<App>(async function requiresRole(c, next) {
    await enterTeam(c, next, teamIn(c), least)
  })
}

/** The `{team_id}` of the path. Throws `not_your_path` for one that no team can have. */
function teamIn(c: Context<App>): string {
  const team = c.req.param('team_id') ?? ''
  if (!isTeamId(team)) throw new Problem('not_your_path')
  return team
}

/** The member that the path names, or `me`. Throws `row_not_found` for one that cannot be. */
function memberIn(c: Context<App>): string {
  const named = c.req.param('user_id') ?? ''
  if (named === 'me') return c.get('identity').userId
  if (!isUserId(named)) throw new Problem('row_not_found')
  return named
}

function assertedIn(
  c: Context<App>,
  statement: Statement,
  problem: 'row_not_found' | 'insufficient_role' | 'last_owner',
  values: Values,
): BoundStatement {
  return bindIn(c, statement, { ...values, problem: raise(problem) })
}

/** The statements that give a member another standing: an owner stays, and no invitation outlives what it was given by. */
function standingOf(c: Context<App>, values: Values, note: Statement): BoundStatement[] {
  return [
    assertedIn(c, ownerStaysAssertion, 'last_owner', values),
    { ...bindIn(c, setRoleStatement, values), concerns: [{ owner: c.get('owner') }] },
    ...[withdrawAboveStatement, note].map((each) => bindIn(c, each, values)),
  ]
}

async function ask(c: Context<App>, statements: readonly Statement[], values?: Values): Promise<Row[][]> {
  return c.get('database').batch(
    statements.map((statement) => bindIn(c, statement, values)),
    { repeatable: c.req.method === 'GET' || c.req.method === 'HEAD' },
  )
}

/** A page of a list of the team's, or of the owner's in `values`. */
async function listed(
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

function found(row: Row | undefined): Row {
  if (!row) throw new Problem('row_not_found')
  return row
}
