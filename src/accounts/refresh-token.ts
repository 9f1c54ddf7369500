import { isUserId } from '../ids.ts'
import { base64url } from 'jose'
import { parse, stringify } from 'uuid'
import type { Config } from '../config.ts'
import { derivedKey } from './derived-key.ts'

/**
 * What a refresh token says: whose it is and of which session, the `family` secret that all tokens of that session share,
 * and the 256-bit `secret` of this one. D1 keeps hashes of the last two. The family secret tells a replayed token, which
 * ends the session, from a forged one, which must not.
 */
export interface RefreshToken {
  userId: string
  session: string
  family: Uint8Array<ArrayBuffer>
  secret: Uint8Array<ArrayBuffer>
}

const UUID = 16
const FAMILY = 16
const SECRET = 32

/** The first token of a new session. */
export function newRefreshToken(userId: string, session: string): RefreshToken {
  return {
    userId,
    session,
    family: crypto.getRandomValues(new Uint8Array(FAMILY)),
    secret: crypto.getRandomValues(new Uint8Array(SECRET)),
  }
}

/**
 * The token that replaces this one. Exchanging the same token twice gives the same successor, so two tabs that race end
 * up with one session and one token; only the deployment's key can compute it.
 */
export async function successorOf(token: RefreshToken, config: Config): Promise<RefreshToken> {
  const key = await derivedKey(config, 'refresh token rotation')
  const secret = new Uint8Array(await crypto.subtle.sign('HMAC', key, bytesOf(token)))
  return { ...token, secret }
}

/** The text a client keeps. */
export function encodeRefreshToken(token: RefreshToken): string {
  return base64url.encode(bytesOf(token))
}

/** What a client's text says; undefined for anything {@link encodeRefreshToken} does not write. */
export function decodeRefreshToken(text: string): RefreshToken | undefined {
  try {
    const bytes = Uint8Array.from(base64url.decode(text))
    // The user's id comes first, as an account brought from another system may have one of any length.
    const userId = new TextDecoder().decode(bytes.subarray(0, -(UUID + FAMILY + SECRET)))
    if (!isUserId(userId) || base64url.encode(bytes) !== text) return undefined
    return {
      userId,
      session: stringify(bytes.subarray(-(UUID + FAMILY + SECRET), -(FAMILY + SECRET))),
      family: bytes.slice(-(FAMILY + SECRET), -SECRET),
      secret: bytes.slice(-SECRET),
    }
  } catch {
    return undefined
  }
}

function bytesOf({ userId, session, family, secret }: RefreshToken): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...new TextEncoder().encode(userId), ...parse(session), ...family, ...secret])
}
