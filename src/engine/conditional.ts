import type { Context } from 'hono'
import type { Row } from '../d1/database.ts'
import type { App } from '../context.ts'
import type { Match } from './store.ts'

/** A row's entity tag: its revision, strong (RFC 9110 §8.8.3). */
export function etagOf(row: Row): string {
  return `"${String(row.revision)}"`
}

/**
 * The revisions that the preconditions of a write allow (RFC 9110 §13.1.1): undefined for any; a weak or malformed tag
 * allows none, and neither does `If-None-Match: *`, since the row must exist to be written.
 */
export function ifMatch(c: Context<App>): Match {
  if (c.req.header('If-None-Match')?.trim() === '*') return []
  const header = c.req.header('If-Match')
  if (header === undefined || header.trim() === '*') return undefined
  return entityTags(header)
    .filter((tag) => /^"[1-9]\d{0,14}"$/.test(tag))
    .map((tag) => Number(tag.slice(1, -1)))
}

/** Whether `If-Match` (RFC 9110 §13.1.1), if there is one, names what the row is now: otherwise a GET is refused. */
export function matches(c: Context<App>, etag: string): boolean {
  const header = c.req.header('If-Match')
  return header === undefined || header.trim() === '*' || entityTags(header).includes(etag)
}

/** Whether `If-None-Match` (RFC 9110 §13.1.2) names what the row is now, so that a GET answers 304. */
export function noneMatch(c: Context<App>, etag: string): boolean {
  const header = c.req.header('If-None-Match')
  if (header === undefined) return true
  return header.trim() !== '*' && !entityTags(header).some((tag) => tag.replace(/^W\//, '') === etag)
}

const TAG = String.raw`(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"`
const TAGS = new RegExp(String.raw`^[\t ,]*${TAG}(?:[\t ]*,[\t ,]*${TAG})*[\t ,]*$`)

/** The tags of a list; none when any part of it is malformed. */
function entityTags(header: string): string[] {
  return TAGS.test(header) ? (header.match(new RegExp(TAG, 'g')) ?? []) : []
}
