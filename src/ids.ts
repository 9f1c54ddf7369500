/** The grammar of a row's id: a lower-case UUIDv7 (RFC 9562 §5.7). */
export const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

/** Words that paths and tokens use for something else than a user. */
const reserved = new Set(['me', 'v1', 'auth', 'admin', 'teams', 'invitations'])

/** Takes the names of collections from the ids of users: `/api/tasks` is the caller's own. */
export function reserveIds(collections: readonly string[]): void {
  for (const name of collections) reserved.add(name)
}

/** Whether a text is the id of a team: `team-` and a UUIDv7. */
export function isTeamId(text: string): boolean {
  return text.startsWith('team-') && UUID_V7.test(text.slice('team-'.length))
}

/**
 * Whether a text can be a user's id: 1–128 of `A–Z a–z 0–9 . _ ~ : @ | -`, not a reserved word, and not a team's id, which
 * begins with `team-`.
 */
export function isUserId(text: string): boolean {
  return /^(?!team-)[\w.~:@|-]{1,128}$/.test(text) && !reserved.has(text)
}
