import { base64url } from 'jose'
import { Problem } from '../problems.ts'

/** An opaque cursor that holds a JSON value. */
export function encodeOpaque(value: unknown): string {
  return base64url.encode(JSON.stringify(value))
}

/** What a cursor holds; undefined for anything that {@link encodeOpaque} would not write in just that way. */
export function decodeOpaque(cursor: string): unknown {
  try {
    const json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(base64url.decode(cursor))
    const value: unknown = JSON.parse(json)
    return encodeOpaque(value) === cursor ? value : undefined
  } catch {
    return undefined
  }
}

/** The problem `invalid_query` that names the cursor. */
export function invalidCursor(message = 'is not a cursor of this API'): Problem {
  return new Problem('invalid_query', { errors: [{ path: 'cursor', code: 'invalid_cursor', message }] })
}
