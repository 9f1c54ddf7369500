import * as z from 'zod/mini'

const connection = z.lazy(() =>
  z.strictObject({
    /** The caller, who is not always the owner whose changes are watched. */
    user: z.string(),
    /** The session of the caller's token, if it has one. */
    session: z.optional(z.string()),
    /** When it was opened, in milliseconds since 1970. */
    since: z.number(),
    /** When it has to end unless its session lives longer by then, in milliseconds since 1970. */
    until: z.number(),
  }),
)

/** A live connection, as the Worker that verified the caller describes it to the hub. */
export type Connection = z.output<typeof connection>

/** The {@link Connection} of a header or an attachment. */
export function connectionIn(value: unknown): Connection {
  return connection.parse(value)
}

/** What was written: the highest revision of each collection that changed, and the bookmark to read it by. */
export interface Hint {
  bookmark: string | null
  revisions: Record<string, number>
}

/** Why the server closes a connection: the code (RFC 6455 §7.4) and the reason that the client gets. */
export const closings = {
  unexpected: [1003, 'only ping is understood'],
  ended: [4401, 'the session has ended'],
  changed: [4403, 'the membership of the team has changed'],
  erased: [4410, 'the owner was erased'],
  superseded: [4429, 'too many connections'],
} as const

/** The name of one row of {@link closings}. */
export type Closing = keyof typeof closings

/** The tag of all connections of a user. */
export function userTag(user: string): string {
  return `user ${user}`
}

/** The tag of all connections of a session. */
export function sessionTag(session: string): string {
  return `session ${session}`
}
