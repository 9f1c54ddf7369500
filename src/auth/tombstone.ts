import { createHash } from 'node:crypto'

/**
 * All that is kept of an erased user: a SHA-256 digest of the id, which refuses their tokens and cannot be read as an id.
 * Every request with a token without a session needs it, and waiting for Web Crypto takes longer than the digest.
 */
export function tombstoneOf(userId: string): string {
  return createHash('sha256').update(userId).digest('hex')
}
