import { createLocalJWKSet, errors, type CryptoKey, type JWTHeaderParameters } from 'jose'
import type { Config } from '../config.ts'
import { log } from '../log.ts'
import { Problem } from '../problems.ts'
import { memo } from '../memo.ts'
import { importKey } from './keys.ts'
import type { OwnKey } from '../own-key.ts'

/** An issuer whose tokens are trusted. */
export interface Issuer {
  /** What its keys sign with, fixed here: a token's own header decides nothing (RFC 8725 §3.1). */
  algorithms: readonly string[]
  /** Whether its keys are this deployment's own, so that a `sid` names a session kept here. */
  own: boolean
  /**
   * The keys that may have signed a token with this header. Throws `keys_unavailable` when its keys cannot be fetched
   * now, and `misconfigured` when a key is not sound.
   */
  keysFor(header: () => JWTHeaderParameters): Promise<readonly CryptoKey[]>
}

/** The trusted issuers of a configuration, made once per isolate. */
export const issuersOf = memo((config: Config): readonly Issuer[] => [
  ...config.ownKeys.map(ownKey),
  ...(config.secrets.length ? [sharedSecret(config.secrets)] : []),
  ...(config.JWKS_URL ? [remoteKeySet(config.JWKS_URL)] : []),
])

function ownKey(key: OwnKey): Issuer {
  return {
    algorithms: [key.alg],
    own: true,
    async keysFor(headerOf) {
      const { kid, verify } = await importKey(key)
      const header = headerOf()
      // An identity provider may sign with the same algorithm, by keys of other names.
      return header.alg === key.alg && (header.kid === undefined || header.kid === kid) ? [verify] : []
    },
  }
}

function sharedSecret(secrets: readonly Uint8Array<ArrayBuffer>[]): Issuer {
  let keys: readonly CryptoKey[] | undefined
  return {
    algorithms: ['HS256'],
    own: true,
    async keysFor() {
      keys ??= await Promise.all(secrets.map(importSecret))
      return keys
    },
  }
}

async function importSecret(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

type KeySet = ReturnType<typeof createLocalJWKSet>

const KEY_SET_ALGORITHMS: readonly string[] = ['EdDSA', 'ES256', 'RS256', 'PS256']

/** How long a fetched key set serves before it is fetched again, in milliseconds. */
const MAX_AGE = 10 * 60_000
/** How long after one fetch an unknown key causes no other, in milliseconds. */
const COOLDOWN = 30_000
/** How long a fetch may take, in milliseconds. */
const FETCH_DEADLINE = 5_000
/** How long a request waits before it asks whether another one's fetch has ended, in milliseconds. */
const POLL = 10

/**
 * The key set at a URL (RFC 7517 §5). The last good one keeps serving while a fetch fails, so an identity provider's
 * outage logs nobody out. One request fetches, and others that need its result poll for it: a Worker may not await what
 * another request began.
 */
function remoteKeySet(url: string): Issuer {
  let good: { keySet: KeySet; at: number } | undefined
  let lastTry = Number.NEGATIVE_INFINITY
  let fetching = Number.NEGATIVE_INFINITY

  /** Whether a request is fetching. A cancelled one never reports its end, so the flag expires. */
  const isFetching = () => Date.now() - fetching < FETCH_DEADLINE

  async function refresh(): Promise<void> {
    while (Date.now() - lastTry >= COOLDOWN && isFetching()) await scheduler.wait(POLL)
    if (Date.now() - lastTry < COOLDOWN) return
    fetching = Date.now()
    const keySet = await fetchKeySet(url)
    fetching = Number.NEGATIVE_INFINITY
    lastTry = Date.now()
    if (keySet) good = { keySet, at: lastTry }
  }

  return {
    algorithms: KEY_SET_ALGORITHMS,
    own: false,
    async keysFor(headerOf) {
      const header = headerOf()
      // Another issuer's token is no reason to look for new keys.
      if (!KEY_SET_ALGORITHMS.includes(header.alg)) return []
      // An old set serves until a request has fetched the new one.
      if (!good || (Date.now() - good.at > MAX_AGE && !isFetching())) await refresh()
      const known = good ? await matchingKeys(good.keySet, header) : []
      if (known.length) return known
      // A key we do not know may be a new one.
      await refresh()
      const renewed = good ? await matchingKeys(good.keySet, header) : []
      const upToDate = good?.at === lastTry
      if (!renewed.length && !upToDate) throw new Problem('keys_unavailable')
      return renewed
    },
  }
}

async function fetchKeySet(url: string): Promise<KeySet | undefined> {
  try {
    const response = await fetch(url, {
      headers: { Accept: 'application/jwk-set+json, application/json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(FETCH_DEADLINE),
    })
    if (response.ok) return createLocalJWKSet(await response.json())
    log('error', { event: 'jwks_unavailable', status: response.status })
  } catch (error) {
    log('error', { event: 'jwks_unavailable', error: error instanceof Error ? error.name : 'unknown' })
  }
  return undefined
}

/** The keys of a set that fit a token's header: several when the token names none. */
async function matchingKeys(keySet: KeySet, header: JWTHeaderParameters): Promise<readonly CryptoKey[]> {
  try {
    return [await keySet(header)]
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return []
    const keys: CryptoKey[] = []
    for await (const key of error) keys.push(key)
    return keys
  }
}
