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
  readonly type: ProblemType | 'about:blank'
  readonly status: number
  readonly detail: string | undefined
  /** What is invalid, of a 422. */
  readonly errors: readonly FieldError[]
  /** Which operation of a bulk failed. */
  readonly index: number | undefined
  /** What to quote when reporting it. */
  readonly requestId: string | undefined
  /** The row's current `ETag`, of a 412. */
  readonly etag: string | undefined
  readonly headers: Headers

  constructor({ status, headers }: Response, problem: Partial<Problem>) {
    super(problem.title ?? `HTTP ${status}`)
    this.type = nameOf(problem.type) ?? 'about:blank'
    this.status = status
    this.detail = problem.detail
    this.errors = problem.errors ?? []
    this.index = problem.index
    this.requestId = headers.get('X-Request-Id') ?? undefined
    this.etag = headers.get('ETag') ?? undefined
    this.headers = headers
  }
}

/** No answer came: the network, or the server, is away. What was sent may have arrived all the same. */
export class OfflineError extends Error {
  override name = 'OfflineError'
}

/** The problem that a response tells. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const text = await response.text().catch(() => '')
  let problem: Partial<Problem> = {}
  try {
    problem = parse(text)
  } catch {
    // A page of a proxy.
  }
  return new ProblemError(response, problem)
}

function nameOf<Type extends string>(type: Type | undefined): NameOf<Type> | undefined
function nameOf(type = ''): unknown {
  return type.split('#')[1]
}
