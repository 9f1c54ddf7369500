import * as z from 'zod'
import { acceptBody, invitationBody, memberBody, teamBody } from '../src/teams/bodies.ts'
import type { TeamActivity } from '../src/teams/activity.ts'
import type { Invitation } from '../src/teams/invitations.ts'
import type { Member } from '../src/teams/members.ts'
import type { Team } from '../src/teams/teams.ts'
import { id } from '../src/engine/fields.ts'
import { listed, operationIn, page, taking } from './accounts.ts'
import { ref, schemaOf, type Json } from './json.ts'
import { answer, headers, problems } from './responses.ts'

const ANYWHERE = [401, 403, 429, 500, 503, 504] as const
const BODY = [400, 413, 415, 422] as const

const operation = (operationId: string, summary: string, rest: Json): Json =>
  operationIn('teams', operationId, summary, rest)

/** `/api/teams` and `/api/invitations`. */
export function teamPaths(): Json {
  const inTeam = [ref('parameters', 'team_id')]
  return {
    '/api/teams': {
      get: operation('listTeams', 'List teams', {
        description: 'Those that the caller is in, newest first, each with the caller’s role.',
        parameters: page(),
        responses: {
          ...answer(200, 'TeamList', 'A page of teams.', []),
          ...problems(401, 422, 429, 500, 503, 504),
        },
      }),
      post: operation('createTeam', 'Make a team', {
        description:
          'The caller is its first owner. Everything under `/api/{user_id}` works with the id of a team in that place: whose ' +
          'role allows it reads (`viewer`) or writes (`editor`) the rows of the team. With an `Idempotency-Key` it is safe to ' +
          'send again.',
        parameters: [ref('parameters', 'Idempotency-Key')],
        requestBody: taking('TeamBody'),
        responses: {
          ...answer(201, 'Team', 'The new team.', ['Location', 'ETag', 'Idempotent-Replayed']),
          ...problems(...BODY, 409, 410, ...ANYWHERE),
        },
      }),
    },
    '/api/teams/{team_id}': {
      parameters: inTeam,
      get: operation('getTeam', 'Get a team', {
        description: 'For members; anybody else gets the 403 of any foreign path.',
        responses: { ...answer(200, 'Team', 'The team.'), ...problems(...ANYWHERE) },
      }),
      patch: operation('renameTeam', 'Rename a team', {
        description: 'For its administrators.',
        parameters: [ref('parameters', 'If-Match')],
        requestBody: taking('TeamBody'),
        responses: { ...answer(200, 'Team', 'The team.'), ...problems(...BODY, 412, ...ANYWHERE) },
      }),
      delete: operation('deleteTeam', 'Delete a team', {
        description:
          'For its owners: the team and every row it owns are gone, at once and for good. Needs a login of the last ten minutes.',
        responses: { ...done('Deleted.'), ...problems(...ANYWHERE) },
      }),
    },
    '/api/teams/{team_id}/members': {
      parameters: inTeam,
      get: operation('listMembers', 'List members', {
        description: 'By id, newest accounts first. An e-mail is shown only when it is verified.',
        parameters: page(),
        responses: { ...answer(200, 'MemberList', 'A page of members.', []), ...problems(422, ...ANYWHERE) },
      }),
    },
    '/api/teams/{team_id}/members/{member_id}': {
      parameters: [...inTeam, ref('parameters', 'member_id')],
      patch: operation('changeRole', 'Change a role', {
        description:
          'For administrators, of members up to their own role and to a role up to their own. The last owner stays one. A change ' +
          'closes the member’s live connections to the team.',
        requestBody: taking('RoleBody'),
        responses: {
          ...answer(200, 'Member', 'The member.', []),
          ...problems(...BODY, 404, 409, ...ANYWHERE),
        },
      }),
      delete: operation('removeMember', 'Remove a member, or leave', {
        description:
          'For administrators, of members up to their own role; anybody may leave, `me`, but for the last owner. It holds for ' +
          'the very next request, closes the member’s live connections to the team, and withdraws the member’s invitations.',
        responses: { ...done('No member any more.'), ...problems(404, 409, ...ANYWHERE) },
      }),
    },
    '/api/teams/{team_id}/invitations': {
      parameters: inTeam,
      get: operation('listInvitations', 'List invitations', {
        description: 'For administrators: those that can still be accepted, newest first.',
        parameters: page(),
        responses: {
          ...answer(200, 'InvitationList', 'A page of invitations.', []),
          ...problems(422, ...ANYWHERE),
        },
      }),
      post: operation('invite', 'Invite', {
        description:
          'For administrators, into a role up to their own. The token is shown this once, and good once, for seven days: send it, ' +
          'or a link with it, to whom you invite. With an e-mail it is mailed there, where the deployment can, as ' +
          '`APP_URL#invitation=<token>`, and good only for an account that has verified that address.',
        requestBody: taking('InvitationBody'),
        responses: {
          ...answer(201, 'NewInvitation', 'The invitation, with its token.', ['Location']),
          ...problems(...BODY, ...ANYWHERE),
        },
      }),
    },
    '/api/teams/{team_id}/invitations/{id}': {
      parameters: [...inTeam, ref('parameters', 'id')],
      delete: operation('withdrawInvitation', 'Withdraw an invitation', {
        description: 'For administrators.',
        responses: { ...done('Withdrawn.'), ...problems(404, ...ANYWHERE) },
      }),
    },
    '/api/teams/{team_id}/activity': {
      parameters: inTeam,
      get: operation('listTeamActivity', 'List what happened in a team', {
        description:
          'For administrators: who invited, joined, left, was removed, changed a role, exported in the last 90 days, newest first. ' +
          'Pass over events that you do not know.',
        parameters: page(),
        responses: {
          ...answer(200, 'TeamActivityList', 'A page of events.', []),
          ...problems(422, ...ANYWHERE),
        },
      }),
    },
    '/api/invitations/accept': {
      post: operation('acceptInvitation', 'Accept an invitation', {
        description:
          'Makes the caller a member. The token works once, for one who is not in the team yet; one for an e-mail needs that ' +
          'address verified in the caller’s account.',
        requestBody: taking('InvitationToken'),
        responses: { ...answer(200, 'Team', 'The team.'), ...problems(...BODY, 409, ...ANYWHERE) },
      }),
    },
  }
}

const role = z.enum(['viewer', 'editor', 'admin', 'owner'])

const team: z.ZodType<Team> = z.strictObject({
  id: z.string(),
  name: z.string(),
  role,
  created_at: z.iso.datetime(),
  revision: z.int().positive(),
})

const member: z.ZodType<Member> = z.strictObject({
  user_id: z.string(),
  email: z.string().optional(),
  role,
  joined_at: z.iso.datetime(),
})

const invitation = z.strictObject({
  id: id(),
  role,
  email: z.string().nullable(),
  invited_by: z.string(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
})

const happening: z.ZodType<TeamActivity> = z.strictObject({
  id: z.uuid(),
  at: z.iso.datetime(),
  event: z.string(),
  user_id: z.string().nullable(),
  member_id: z.string().nullable(),
  role: role.nullable(),
})

/** The schemas of {@link teamPaths}. */
export function teamSchemas(): Json {
  return {
    TeamBody: schemaOf(teamBody),
    Team: schemaOf(team),
    TeamList: listed('teams', 'Team'),
    RoleBody: schemaOf(memberBody),
    Member: schemaOf(member),
    MemberList: listed('members', 'Member'),
    InvitationBody: schemaOf(invitationBody),
    Invitation: schemaOf(invitation satisfies z.ZodType<Invitation>),
    NewInvitation: schemaOf(invitation.extend({ token: z.string() })),
    InvitationList: listed('invitations', 'Invitation'),
    InvitationToken: schemaOf(acceptBody),
    TeamActivity: schemaOf(happening),
    TeamActivityList: listed('activity', 'TeamActivity'),
  }
}

function done(description: string): Json {
  return { 204: { description, headers: headers([]) } }
}
