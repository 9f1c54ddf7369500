import type { Hono } from 'hono'
import { v7 as uuidv7 } from 'uuid'
import { canMail, sendLater } from '../accounts/mail/mailer.ts'
import { invitationLetter } from '../accounts/mail/templates.ts'
import { linkTo } from '../accounts/verification.ts'
import { authenticate } from '../auth/authenticate.ts'
import { rankOf } from '../auth/role-guard.ts'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { raise } from '../d1/assertion.ts'
import { bind, type Statement } from '../d1/statement.ts'
import { pageQuery } from '../engine/page.ts'
import { answer, rowId } from '../engine/routes.ts'
import { bookmark } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { limitAccount, limitAddress, limitUser } from '../http/rate-limit.ts'
import { Routes } from '../http/routes.ts'
import { validJson, validQuery } from '../http/validators.ts'
import { Problem } from '../problems.ts'
import { noting } from './activity.ts'
import { acceptBody, invitationBody } from './bodies.ts'
import { assertedIn, bindIn } from './bound.ts'
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
import { mayGiveAssertion, memberStatement } from './members.ts'
import { ask, found, listed, requireRole, teamIn } from './request.ts'
import { teamStatement } from './teams.ts'

/** Adds `/{team_id}/invitations`: who may join a team by which link. */
export function addInvitations(routes: Hono<App>): void {
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
