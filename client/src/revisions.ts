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
    for (const oldest of seen.keys()) {
      if (seen.size <= REMEMBERED) break
      seen.delete(oldest)
    }
  }

  return {
    learn,
    /** What the answer to a request says of its row even without a body. */
    note({ method, url }: Outgoing, { headers, status }: Response): void {
      const id = idOf(url)
      const etag = headers.get('ETag')
      if (!id) return
      if (etag) remember(id, Number(etag.slice(1, -1)))
      // It has another revision now, in the trash, which nobody has seen.
      else if (method === 'DELETE' && status === 204) seen.delete(id)
    },
    /** The precondition of a write to one row; none for a row not seen. */
    ifMatch({ method, url }: Outgoing): string | undefined {
      const toRow = method === 'POST' ? url.endsWith('/restore') : method !== 'GET'
      const revision = toRow && seen.get(idOf(url) ?? '')
      return revision ? `"${revision}"` : undefined
    },
  }
}

/** The last id in a path: of the row that it names, or of the parent of those it lists. */
function idOf(url: string): string | undefined {
  return url.match(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g)?.at(-1)
}
