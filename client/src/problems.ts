import { parse } from './storage.ts'
import type { components } from './schema.ts'

type Problem = components['schemas']['Problem']
type NameOf<Type> = Type extends `${string}#${infer Name}` ? Name : never

/** What can go wrong, by name: `stale_revision`, `invalid_body`… `/docs/problems` of a deployment explains each. */
export type ProblemType = NameOf<Problem['type']>

/** One invalid field or parameter: where it is (`tags[3]`), a stable code (`too_big`) and a sentence for people. */
export type FieldError = NonNullable<Problem['errors']>[number]

/** The API said no: a problem document (RFC 9457), or whatever stood between it and this client. */
export class ProblemError extends Error {
  override name = 'ProblemError'
  /** The problem's name; `about:blank` when the answer was no problem document. */
  declare readonly type: ProblemType | 'about:blank'
  declare readonly status: number
  declare readonly detail: string | undefined
  /** What is invalid, of a 422. */
  declare readonly errors: readonly FieldError[]
  /** Which operation of a bulk failed. */
  declare readonly index: number | undefined
  /** What to quote when reporting it. */
  declare readonly requestId: string | null
  /** The row's current `ETag`, of a 412. */
  declare readonly etag: string | null
  declare readonly headers: Headers

  constructor(
    { status, headers }: Response,
    { title, type = '', errors = [], detail, index }: Partial<Told> = {},
  ) {
    super(title ?? `HTTP ${status}`)
    Object.assign(this, {
      type: type.split('#')[1] ?? 'about:blank',
      status,
      detail,
      errors,
      index,
      requestId: headers.get('X-Request-Id'),
      etag: headers.get('ETag'),
      headers,
    })
  }
}

/** A problem document, from whichever version of the API. */
type Told = Omit<Problem, 'type'> & { type: string }

/** No answer came: the network, or the server, is away. What was sent may have arrived all the same. */
export class OfflineError extends Error {
  override name = 'OfflineError'
}

/** The API answers, but not to pages of this origin: it is none of those in its `CORS_ORIGINS`. */
export class OriginRefusedError extends Error {
  override name = 'OriginRefusedError'
}

/** A local copy cannot be kept where it should be: the storage is full, or forbidden; `cause` is what it said. */
export class StorageError extends Error {
  override name = 'StorageError'
}

/** Another user has signed in meanwhile, perhaps in another tab: nothing is sent again as them, and a local copy waits for its own user. */
export class OtherUserError extends Error {
  override name = 'OtherUserError'
  override message = 'Signed in as another user'
}

/** The problem that a response tells. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const told = response.text().then((text) => parse<Partial<Told>>(text))
  // A proxy in between may answer with its own page.
  return new ProblemError(response, await told.catch(() => undefined))
}
