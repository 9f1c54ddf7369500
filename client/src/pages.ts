import type { HeadersOptions, ParseAs } from 'openapi-fetch'

/** A request's parts, checked against the schema before they come here. */
export interface Given extends Omit<RequestInit, 'body' | 'headers' | 'method'> {
  params?: {
    path?: Record<string, unknown>
    query?: Record<string, unknown>
    header?: Record<string, string>
  }
  body?: object | undefined
  headers?: HeadersOptions | undefined
  parseAs?: ParseAs
}

/** Sends a request for one user's rows. Resolves to the body, which the schema vouches for. */
export interface Call {
  <Result>(method: 'get' | 'post' | 'patch' | 'delete', path: string, given?: Given): Promise<Result>
}

/** A page of any list; its rows are the only list in it, whatever the collection is called. */
interface Page {
  [collection: string]: unknown
  next_cursor: string | null
}

/** Every row of a list: it asks for a page when the one before has been used up. */
export async function* pagesOf(call: Call, path: string, given: Given = {}): AsyncGenerator<unknown, void> {
  let cursor: string | null = null
  do {
    // A cursor is already beyond the rows that an offset skips.
    const query = { ...given.params?.query, ...(cursor && { cursor, offset: undefined }) }
    const page: Page = await call('get', path, { ...given, params: { ...given.params, query } })
    yield* Object.values(page).find(isList) ?? []
    cursor = page.next_cursor
  } while (cursor)
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}
