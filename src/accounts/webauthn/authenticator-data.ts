import { readCbor, type CborMap } from './cbor.ts'

/** What an authenticator says (WebAuthn Level 3 §6.1). */
export interface AuthenticatorData {
  rpIdHash: Uint8Array
  /** User present: a person touched it. */
  userPresent: boolean
  /** It knows who: by a finger, a face or a PIN. */
  userVerified: boolean
  /** The credential may be copied to other devices. */
  backupEligible: boolean
  /** It has been. */
  backedUp: boolean
  /** How often the credential has signed, or zero for an authenticator that does not count. */
  counter: number
  /** A new credential; only at its registration. */
  attested: { credentialId: Uint8Array; key: CborMap } | undefined
}

/** Where the fields begin that are always there, and how long they are. */
const [FLAGS, COUNTER, HEAD] = [32, 33, 37]
const AAGUID = 16

/** Reads authenticator data to its last byte. Throws a plain error for any other bytes. */
export function readAuthenticatorData(bytes: Uint8Array): AuthenticatorData {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const flags = view.getUint8(FLAGS)
  const has = (bit: number) => (flags & (1 << bit)) !== 0
  const counter = view.getUint32(COUNTER)
  let end = HEAD
  let attested: AuthenticatorData['attested']
  if (has(6)) {
    const from = HEAD + AAGUID + 2
    const length = view.getUint16(HEAD + AAGUID)
    const credentialId = bytes.subarray(from, from + length)
    const key = readCbor(bytes, from + length)
    attested = { credentialId, key: mapOf(key.value) }
    end = key.end
  }
  if (has(7)) {
    const extensions = readCbor(bytes, end)
    mapOf(extensions.value)
    end = extensions.end
  }
  if (end !== bytes.length) throw new Error('authenticator data goes on')
  return {
    rpIdHash: bytes.subarray(0, FLAGS),
    userPresent: has(0),
    userVerified: has(2),
    backupEligible: has(3),
    backedUp: has(4),
    counter,
    attested,
  }
}

/** The authenticator data in an attestation object (§6.5.4), whatever its attestation statement. Throws a plain error. */
export function attestedData(attestationObject: Uint8Array): AuthenticatorData {
  const { value, end } = readCbor(attestationObject)
  const data = mapOf(value).get('authData')
  if (end !== attestationObject.length || !(data instanceof Uint8Array)) {
    throw new Error('not an attestation object')
  }
  return readAuthenticatorData(data)
}

function mapOf(value: ReturnType<typeof readCbor>['value']): CborMap {
  if (value instanceof Map) return value
  throw new Error('not a map')
}
