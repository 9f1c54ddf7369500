import { calculateJwkThumbprint } from 'jose'
import { log } from '../log.ts'
import type { OwnKey } from '../own-key.ts'
import { Problem } from '../problems.ts'

/** An {@link OwnKey} ready for use. */
interface ImportedKey {
  kid: string
  verify: CryptoKey
  /** Undefined when it only verifies. */
  sign: CryptoKey | undefined
}

/** A public key as `/.well-known/jwks.json` lists it (RFC 7517 §4). */
export type PublicJwk = OwnKey['public'] & { kid: string; alg: OwnKey['alg']; use: 'sig' }

const imported = new WeakMap<OwnKey, ImportedKey | undefined>()

/**
 * The key, imported once an isolate. Throws `misconfigured` when it is no point of its curve or its halves do not belong
 * together; the log says so, once an isolate.
 */
export async function importKey(key: OwnKey): Promise<ImportedKey> {
  if (!imported.has(key)) imported.set(key, await importHalves(key))
  const found = imported.get(key)
  if (!found) throw new Problem('misconfigured')
  return found
}

async function importHalves(key: OwnKey): Promise<ImportedKey | undefined> {
  const kind = key.alg === 'EdDSA' ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256' }
  const signing = { ...kind, hash: 'SHA-256' }
  try {
    const verify = await crypto.subtle.importKey('jwk', key.public, kind, false, ['verify'])
    const kid = key.kid ?? (await calculateJwkThumbprint(key.public))
    if (key.d === undefined) return { kid, verify, sign: undefined }
    const sign = await crypto.subtle.importKey('jwk', { ...key.public, d: key.d }, kind, false, ['sign'])
    // An import does not compare the halves, and a key that is published but does not verify is found too late.
    const probe = new Uint8Array(32)
    const signature = await crypto.subtle.sign(signing, sign, probe)
    if (await crypto.subtle.verify(signing, verify, signature, probe)) return { kid, verify, sign }
  } catch {
    // An error of the import may quote the key.
  }
  log('error', { event: 'misconfigured', faults: [`${key.setting} is not a sound key of its curve`] })
  return undefined
}

/** What may be published of a key. Throws `misconfigured` when it is not sound. */
export async function publicJwk(key: OwnKey): Promise<PublicJwk> {
  const { kid } = await importKey(key)
  return { ...key.public, kid, alg: key.alg, use: 'sig' }
}
