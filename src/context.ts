import type { Bindings } from './config.ts'
import type { Cost, Database, Guards } from './d1/database.ts'
import type { ProblemType } from './problems.ts'

/** The caller, as its verified token says. */
export interface Identity {
  userId: string
  role: Role
  /** The session of this deployment that the token belongs to; undefined for tokens of an identity provider, or made by hand. */
  sessionId: string | undefined
  /** When a token without a session says that its user logged in, in seconds since 1970: its `auth_time`. */
  loggedInAt?: number | undefined
}

/** What a user may do: an `admin` may use any user's paths. */
export type Role = 'user' | 'admin'

/** What somebody may do in a team, from the least to all. */
export type TeamRole = 'viewer' | 'editor' | 'admin' | 'owner'

/** The role that a claim or a column says; everything but `admin` is a user. */
export function roleOf(value: unknown): Role {
  return value === 'admin' ? value : 'user'
}

/** What a log pipeline alerts on, whatever the status: `admin_access`, the use of another user's path by an administrator. */
export type SecurityEvent = 'admin_access'

/** The types of a request's context: `c.env` and what middleware puts into `c.var`. */
export interface App {
  Bindings: Bindings
  Variables: {
    requestId: string
    cost: Cost
    identity: Identity
    /** When the caller's token expires, in seconds since 1970. */
    expires: number
    /**
     * Whose rows this request may touch: the `{user_id}` of the path, once it is proved to be the caller, or a team that
     * the guards hold the caller to be a member of.
     */
    owner: string
    /** The role in a team that the request needs, where it is not what its method needs of rows. */
    least: TeamRole
    /** What must hold for every batch of the request, in the order it is checked. */
    guards: readonly Guards[]
    database: Database
    /** Another way of the request, to the accounts, where its rows are elsewhere. */
    directory: Database
    /** The account that a request without a token turned out to be about, for the log. */
    account: { emailKey: string; id: string | undefined }
    /** Whether the request has erased the owner and all that it owned. */
    erased: boolean
    /** Whether what the request cost would tell something that its caller must not know. */
    hidesCost: boolean
    problem: ProblemType
    /** What makes this request a security event, although it succeeds. */
    security: SecurityEvent
    authMs: number
  }
}
