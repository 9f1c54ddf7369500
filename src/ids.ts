/** The grammar of a row's id: a lower-case UUIDv7 (RFC 9562 §5.7). */
export const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

/** Words that paths and tokens use for something else than a user. */
const RESERVED = new Set(['me', 'v1', 'auth', 'admin'])

/** Whether a text can be a user's id: 1–128 of `A–Z a–z 0–9 . _ ~ : @ | -`, and not a reserved word. */
export function isUserId(text: string): boolean {
  return /^[\w.~:@|-]{1,128}$/.test(text) && !RESERVED.has(text)
}
