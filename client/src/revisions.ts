import type { Outgoing } from './retry.ts'

/** How many rows' revisions are remembered. */
const REMEMBERED = 1000

/** The last seen revision of rows, by their ids, for `If-Match`. */
export function revisions() {
  const seen = new Map<string, number>()

  /** Takes in every row of an answer, however deep. */
  function learn(value: unknown): void {
    if (typeof value !== 'object' || !value) return
    if ('id' in value && 'revision' in value) remember(String(value.id), Number(value.revision))
    Object.values(value).forEach(learn)
  }

  function remember(id: string, revision: number): void {
    seen.delete(id)
    seen.set(id, revision)
    const [oldest = id] = seen.keys()
    if (seen.size > REMEMBERED) seen.delete(oldest)
  }

  return {
    learn,
    /** Forgets the row that a request has changed: the answer may have its new revision, or not. */
    forget: (request: Outgoing) => seen.delete(rowOf(request)),
    /** The precondition of a write to one row; none for a row not seen. */
    ifMatch(request: Outgoing): string | undefined {
      const revision = seen.get(rowOf(request))
      return revision ? `"${revision}"` : undefined
    },
  }
}

/** The id of the row that a request writes to; empty when it is none. */
function rowOf({ method, url }: Outgoing): string {
  if (method === 'GET' || (method === 'POST' && !url.endsWith('/restore'))) return ''
  return url.match(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g)?.at(-1) ?? ''
}
