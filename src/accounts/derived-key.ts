import type { Config } from '../config.ts'
import { Problem } from '../problems.ts'

const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const
const keys = new WeakMap<Config, Map<string, CryptoKey>>()

/**
 * An HMAC key for one purpose, derived from the key that signs tokens, so that what one purpose signs means nothing to
 * another. Throws `misconfigured` where no key signs.
 */
export async function derivedKey(config: Config, purpose: string): Promise<CryptoKey> {
  const known = keys.get(config) ?? new Map<string, CryptoKey>()
  keys.set(config, known)
  // The key is kept and not its promise: no request may wait for what another began.
  const key = known.get(purpose) ?? (await derive(config, purpose))
  known.set(purpose, key)
  return key
}

async function derive({ signingKey }: Config, purpose: string): Promise<CryptoKey> {
  const secret = signingKey instanceof Uint8Array ? signingKey : new TextEncoder().encode(signingKey?.d)
  if (!secret.length) throw new Problem('misconfigured')
  const signing = await crypto.subtle.importKey('raw', secret, HMAC, false, ['sign'])
  const derived = await crypto.subtle.sign('HMAC', signing, new TextEncoder().encode(purpose))
  return crypto.subtle.importKey('raw', derived, HMAC, false, ['sign', 'verify'])
}
