import { createPublicKey, verify, type JsonWebKey } from 'node:crypto'
import { base64url } from 'jose'
import type { CborMap } from './cbor.ts'

/** The algorithms (COSE, RFC 9053 and RFC 8812) of the keys taken here, the preferred one first: EdDSA, ES256, RS256. */
export const ALGORITHMS = [-8, -7, -257] as const

/** A credential's public key as it is kept: a JWK (RFC 7517 §4) as JSON, and what it signs with. */
export interface StoredKey {
  public_key: string
  algorithm: number
}

/** RSA moduli from 2048 to 4096 bits, in bytes. */
const [MIN_MODULUS, MAX_MODULUS] = [256, 512]

/**
 * Reads a COSE key (RFC 9052 §7) of one of {@link ALGORITHMS}. Throws a plain error for one that is none of them, or no
 * point of its curve.
 */
export function keyOf(cose: CborMap): StoredKey {
  const jwk = jwkOf(cose)
  createPublicKey({ key: jwk, format: 'jwk' })
  return { public_key: JSON.stringify(jwk), algorithm: Number(cose.get(3)) }
}

/** Whether the key signed the data. An ECDSA signature is in DER (RFC 3279 §2.2.3), as authenticators write it. */
export function isSignedBy(stored: StoredKey, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: parse(stored.public_key), format: 'jwk' })
    return verify(stored.algorithm === -8 ? null : 'sha256', data, key, signature)
  } catch {
    // A signature that is malformed is none.
    return false
  }
}

/** JSON that {@link keyOf} wrote. */
const parse: (json: string) => JsonWebKey = JSON.parse

function jwkOf(cose: CborMap): JsonWebKey {
  const [kind, algorithm] = [cose.get(1), cose.get(3)]
  if (kind === 2 && algorithm === -7 && cose.get(-1) === 1) {
    return { kty: 'EC', crv: 'P-256', x: coordinate(cose, -2), y: coordinate(cose, -3) }
  }
  if (kind === 1 && algorithm === -8 && cose.get(-1) === 6) {
    return { kty: 'OKP', crv: 'Ed25519', x: coordinate(cose, -2) }
  }
  if (kind === 3 && algorithm === -257) {
    return { kty: 'RSA', n: bytesIn(cose, -1, MIN_MODULUS, MAX_MODULUS), e: bytesIn(cose, -2, 1, 4) }
  }
  throw new Error('a key of another algorithm')
}

function coordinate(cose: CborMap, label: number): string {
  return bytesIn(cose, label, 32, 32)
}

function bytesIn(cose: CborMap, label: number, least: number, most: number): string {
  const value = cose.get(label)
  if (!(value instanceof Uint8Array) || value.length < least || value.length > most) {
    throw new Error('a key of another length')
  }
  return base64url.encode(value)
}
