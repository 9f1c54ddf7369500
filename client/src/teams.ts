import { segment } from './paths.ts'
import type { components } from './schema.ts'

type Schemas = components['schemas']

/** What somebody may do in a team: `viewer`, `editor`, `admin` or `owner`. */
export type TeamRole = Schemas['Team']['role']

/** Teams of the caller's, who is in them and who is invited. `owner(team.id)` is a client of a team's rows. */
export interface Teams {
  /** A page at a time, newest first. */
  list(cursor?: string): Promise<Schemas['TeamList']>
  create(name: string): Promise<Schemas['Team']>
  get(team: string): Promise<Schemas['Team']>
  rename(team: string, name: string): Promise<Schemas['Team']>
  /** Deletes the team and every row it owns, at once and for good. Throws `reauthentication_required`. */
  delete(team: string): Promise<void>
  members(team: string, cursor?: string): Promise<Schemas['MemberList']>
  /** Throws `insufficient_role`, `last_owner`. */
  changeRole(team: string, user: string, role: TeamRole): Promise<Schemas['Member']>
  /** Throws `insufficient_role`, `last_owner`. */
  remove(team: string, user: string): Promise<void>
  /** Throws `last_owner`. */
  leave(team: string): Promise<void>
  /** The `token` is shown this once: for `accept`, of anybody or, with an e-mail, of an account that has verified it. */
  invite(team: string, invitation: Schemas['InvitationBody']): Promise<Schemas['NewInvitation']>
  invitations(team: string, cursor?: string): Promise<Schemas['InvitationList']>
  withdraw(team: string, invitation: string): Promise<void>
  /** Joins by a token, of `invite` or of a mailed link, `APP_URL#invitation=<token>`. Throws `invalid_token_link`, `already_member`. */
  accept(token: string): Promise<Schemas['Team']>
  activity(team: string, cursor?: string): Promise<Schemas['TeamActivityList']>
}

/** Calls a path of `/api` as whoever is signed in. */
export type ApiCall = <Result>(
  method: 'get' | 'post' | 'patch' | 'delete',
  path: string,
  body?: object,
) => Promise<Result>

/** The teams that an API has. */
export function teams(call: ApiCall): Teams {
  const page = <List>(path: string, cursor?: string) =>
    call<List>('get', cursor === undefined ? path : `${path}?cursor=${encodeURIComponent(cursor)}`)
  return {
    list: (cursor) => page('/teams', cursor),
    create: (name) => call('post', '/teams', { name }),
    get: (team) => call('get', at(team)),
    rename: (team, name) => call('patch', at(team), { name }),
    delete: (team) => call('delete', at(team)),
    members: (team, cursor) => page(at(team, '/members'), cursor),
    changeRole: (team, user, role) => call('patch', at(team, '/members', user), { role }),
    remove: (team, user) => call('delete', at(team, '/members', user)),
    leave: (team) => call('delete', at(team, '/members/me')),
    invite: (team, invitation) => call('post', at(team, '/invitations'), invitation),
    invitations: (team, cursor) => page(at(team, '/invitations'), cursor),
    withdraw: (team, invitation) => call('delete', at(team, '/invitations', invitation)),
    accept: (token) => call('post', '/invitations/accept', { token }),
    activity: (team, cursor) => page(at(team, '/activity'), cursor),
  }
}

/** The path of a team, or of what is below it. */
function at(team: string, below = '', id?: string): string {
  return `/teams/${segment(team)}${below}${id === undefined ? '' : `/${segment(id)}`}`
}
