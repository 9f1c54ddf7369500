import { sha256 } from '../sha256.ts'

/** All that is kept of an erased user: a SHA-256 digest of the id, which refuses their tokens and cannot be read as an id. */
export async function tombstoneOf(userId: string): Promise<string> {
  return sha256(new TextEncoder().encode(userId))
}
