/**
 * The closed table of everything that can go wrong: `type` → HTTP status, a title and what it means.
 * The type is stable and is the fragment of the problem's `type` URI (RFC 9457 §3.1.1); `/docs/problems` prints this table.
 */
export const problemTypes = {
  malformed_json: [400, 'Malformed JSON', 'The body is not well-formed JSON in UTF-8.'],
  empty_patch: [400, 'Nothing to change', 'A PATCH must name at least one writable field.'],
  malformed_key: [
    400,
    'Malformed Idempotency-Key',
    'An `Idempotency-Key` is 1–255 visible ASCII characters.',
  ],
  unsupported_grant_type: [
    400,
    'Unsupported grant type',
    'The form of a login takes `grant_type` `password` or `refresh_token`, that of a refresh `refresh_token`.',
  ],
  invalid_request: [
    400,
    'Invalid request',
    'Some fields of the form are missing or not valid: see `errors`.',
  ],
  missing_credentials: [
    401,
    'Credentials required',
    'Send an access token: `Authorization: Bearer <token>`.',
  ],
  invalid_token: [
    401,
    'Invalid token',
    'The access token is malformed, expired, not yet valid or not trusted here.',
  ],
  session_ended: [
    401,
    'Session ended',
    'The session of the access token has ended: by a logout, a change of password or its expiry. Log in again.',
  ],
  invalid_credentials: [401, 'Invalid credentials', 'The e-mail or the password is wrong.'],
  passkey_refused: [
    401,
    'Passkey refused',
    'The passkey is of no account here, or its answer does not hold: `detail` says which. Ask for new options.',
  ],
  invalid_code: [
    401,
    'Invalid code',
    'The code was used already, is older than a minute or came with another verifier. Sign in again.',
  ],
  invalid_refresh_token: [
    401,
    'Invalid refresh token',
    'The refresh token is malformed, used already or of a session that has ended. Log in again.',
  ],
  foreign_origin: [
    403,
    'Foreign origin',
    'A request with cookies that changes something must come from an allowed `Origin`.',
  ],
  email_unverified: [
    403,
    'E-mail not verified',
    'The address of this account has to be verified first: follow the link in the mail that was sent there.',
  ],
  reauthentication_required: [
    403,
    'Log in again',
    'This needs a login of the last ten minutes: log in again, then repeat it.',
  ],
  admin_only: [403, 'Administrators only', 'The access token does not carry the role `admin`.'],
  not_your_path: [403, 'Not your path', 'The user in the path is not the user of the access token.'],
  quota_exceeded: [
    403,
    'Quota exceeded',
    'The collection holds as many rows as it may. Delete some first; the trash may hold as many again.',
  ],
  insufficient_role: [403, 'Insufficient role', 'Your role in this team does not allow it.'],
  not_your_invitation: [
    403,
    'Not your invitation',
    'The invitation is for an address that your account has not verified.',
  ],
  not_found: [404, 'Not found', 'Nothing answers at this path.'],
  row_not_found: [404, 'No such row', 'There is no row with this id, or it is in the trash.'],
  no_account: [404, 'No account', 'The account of this user is not kept on this deployment.'],
  accounts_off: [
    404,
    'No accounts here',
    'This deployment keeps no accounts: its tokens come from an identity provider.',
  ],
  method_not_allowed: [405, 'Method not allowed', 'This path answers other methods: see the `Allow` header.'],
  not_acceptable: [
    406,
    'Not acceptable',
    'Live changes come by WebSocket (`Upgrade: websocket`), or with `Accept: text/event-stream`.',
  ],
  email_taken: [409, 'E-mail taken', 'There is an account with this e-mail already.'],
  passkey_taken: [409, 'Passkey taken', 'This passkey belongs to an account already.'],
  too_many_passkeys: [
    409,
    'Too many passkeys',
    'The account has as many passkeys as it may. Remove one first.',
  ],
  last_way_in: [
    409,
    'Last way in',
    'Without it nobody could log in to this account. Add a password, a passkey or a provider first.',
  ],
  already_member: [409, 'Already a member', 'You are in this team already.'],
  last_owner: [409, 'Last owner', 'A team needs an owner: make somebody else one first.'],
  too_many_teams: [409, 'Too many teams', 'Leave or delete a team first.'],
  id_taken: [409, 'Id taken', 'A row with this id exists already, perhaps in the trash.'],
  key_used: [409, 'Key in use', 'This `Idempotency-Key` was just forgotten. Send the request again.'],
  row_gone: [410, 'Row gone', 'What this `Idempotency-Key` wrote has been deleted since.'],
  cursor_expired: [
    410,
    'Cursor expired',
    'The cursor is older than the trash is kept, or the fields of the rows have changed since. Start again without one.',
  ],
  stale_revision: [
    412,
    'Stale revision',
    'The row has changed since the revision that the request names. After an `If-Match`, the `ETag` header has its current one.',
  ],
  body_too_large: [413, 'Body too large', 'A body may hold at most 65 536 bytes.'],
  not_json: [415, 'Not JSON', 'Send the body as `application/json`.'],
  encoded_body: [415, 'Encoded body', 'Send the body as it is, without a `Content-Encoding`.'],
  invalid_body: [
    422,
    'Invalid body',
    'The body was understood, but some fields are not valid: see `errors`.',
  ],
  invalid_callback: [
    422,
    'Invalid callback',
    'This browser began no such sign-in, or it is over. Start again.',
  ],
  invalid_passkey: [
    422,
    'Invalid passkey',
    'The new passkey cannot be kept: `detail` says why. Ask for new options.',
  ],
  invalid_query: [422, 'Invalid query', 'Some query parameters are not valid: see `errors`.'],
  key_reused: [
    422,
    'Key reused',
    'This `Idempotency-Key` came with another body before. A new request needs a new key.',
  ],
  invalid_token_link: [
    422,
    'Link used or expired',
    'The token of this link was used before, has expired or is unknown. Ask for another mail.',
  ],
  rate_limited: [429, 'Too many requests', 'Wait for as many seconds as `Retry-After` says, then try again.'],
  internal_error: [500, 'Internal error', 'The fault is ours. Quote the request id when you report it.'],
  misconfigured: [
    503,
    'Misconfigured',
    'This deployment is not set up correctly; its log says what is wrong.',
  ],
  mail_unavailable: [503, 'No mail here', 'This deployment is not set up to send mail.'],
  busy: [503, 'Busy', 'Too many passwords are being checked at once. Try again.'],
  not_ready: [
    503,
    'Not ready',
    'The database does not answer, or its schema is not the one this version needs.',
  ],
  keys_unavailable: [
    503,
    'Keys unavailable',
    'The keys that verify this token cannot be fetched now. Try again.',
  ],
  database_unavailable: [503, 'Database unavailable', 'The database is overloaded or restarting. Try again.'],
  database_timeout: [
    504,
    'Database timeout',
    'The database did not answer in time. The outcome is not known.',
  ],
} as const satisfies Record<string, readonly [status: number, title: string, detail: string]>

/** The name of one row of {@link problemTypes}. */
export type ProblemType = keyof typeof problemTypes

/** One invalid field or parameter: where it is (`tags[3]`), a stable code (`too_big`) and a sentence for people. */
export interface FieldError {
  path: string
  code: string
  message: string
}

/** What one problem says besides its type. */
export interface ProblemExtras {
  detail?: string
  errors?: readonly FieldError[]
  /** Which operation of a bulk failed. */
  index?: number
  headers?: Record<string, string>
}

/** An answer other than success. Thrown anywhere in a request; src/http/on-error.ts turns it into a problem document. */
export class Problem extends Error {
  override name = 'Problem'
  readonly type: ProblemType
  readonly extras: ProblemExtras

  constructor(type: ProblemType, extras: ProblemExtras = {}) {
    super(type)
    this.type = type
    this.extras = extras
  }
}

/** Whether a name is a row of {@link problemTypes}. */
export function isProblemType(name: string): name is ProblemType {
  return Object.hasOwn(problemTypes, name)
}
