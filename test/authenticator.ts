import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

/** A JSON document of WebAuthn's. */
// oxlint-disable-next-line typescript/no-explicit-any -- of any shape: tests twist it
type Json = any

/** The COSE numbers of the algorithms that passkeys sign with. */
export const COSE = { ES256: -7, EdDSA: -8, RS256: -257 } as const
export type PasskeyAlgorithm = keyof typeof COSE

/** What a ceremony says otherwise than an honest browser and authenticator would. */
export interface Twist {
  /** Members of the client's data. */
  client?: Record<string, unknown>
  /** The bytes of the client's data. */
  clientBytes?: Uint8Array
  /** User present 1, verified 4, backup eligible 8, backed up 16, attested 64, extensions 128. */
  flags?: number
  rpId?: string
  counter?: number
  /** Changes the authenticator's data before they are signed. */
  data?: (data: Buffer) => Buffer
  /** Changes the signature. */
  signature?: (signature: Buffer) => Buffer
  /** Signs in place of the passkey. */
  signer?: Passkey
  /** The whole COSE key. */
  cose?: Buffer
  /** The attestation statement's format and itself, in CBOR. */
  attestation?: Buffer
  userHandle?: string | null
}

/** One credential of an authenticator made of software. */
export interface Passkey {
  id: string
  algorithm: PasskeyAlgorithm
  privateKey: KeyObject
  cose: Buffer
  /** What its registration called the user. */
  userHandle: string
  counter: number
}

export const ORIGIN = 'https://api.test'

/** Makes a passkey as a browser would, for the options of a registration; `answer` is its `RegistrationResponseJSON`. */
export function createPasskey(options: Json, algorithm: PasskeyAlgorithm = 'ES256', twist: Twist = {}) {
  const pair = keyPair(algorithm)
  const id = randomBytes(32)
  const passkey: Passkey = {
    id: base64url(id),
    algorithm,
    privateKey: pair.privateKey,
    cose: twist.cose ?? coseOf(pair.publicKey, algorithm),
    userHandle: options.user.id,
    counter: twist.counter ?? 0,
  }
  const attested = Buffer.concat([Buffer.alloc(16), uint16(id.length), id, passkey.cose])
  const data = dataOf({ flags: 0x5d, ...twist }, options.rp.id, passkey.counter, attested)
  const statement = twist.attestation ?? Buffer.from('63666d74646e6f6e656761747453746d74a0', 'hex')
  const object = Buffer.concat([
    Buffer.from([0xa3]),
    statement,
    Buffer.from('686175746844617461', 'hex'),
    cborBytes(data),
  ])
  const answer: Json = {
    id: passkey.id,
    rawId: passkey.id,
    type: 'public-key',
    authenticatorAttachment: 'platform',
    clientExtensionResults: {},
    response: {
      clientDataJSON: base64url(clientData('webauthn.create', options.challenge, twist)),
      attestationObject: base64url(object),
      authenticatorData: base64url(data),
      publicKey: base64url(pair.publicKey.export({ type: 'spki', format: 'der' })),
      publicKeyAlgorithm: COSE[algorithm],
      transports: ['internal'],
    },
  }
  return { passkey, answer }
}

/** The `AuthenticationResponseJSON` of a passkey for the options of a login. */
export function usePasskey(passkey: Passkey, options: Json, twist: Twist = {}): Json {
  const data = dataOf({ flags: 0x1d, ...twist }, options.rpId, twist.counter ?? passkey.counter)
  const client = clientData('webauthn.get', options.challenge, twist)
  const signed = Buffer.concat([data, createHash('sha256').update(client).digest()])
  const { algorithm, privateKey } = twist.signer ?? passkey
  const signature = sign(algorithm === 'EdDSA' ? null : 'sha256', signed, privateKey)
  const userHandle = twist.userHandle === undefined ? passkey.userHandle : twist.userHandle
  return {
    id: passkey.id,
    rawId: passkey.id,
    type: 'public-key',
    authenticatorAttachment: 'platform',
    clientExtensionResults: {},
    response: {
      clientDataJSON: base64url(client),
      authenticatorData: base64url(data),
      signature: base64url(twist.signature?.(signature) ?? signature),
      ...(userHandle !== null && { userHandle }),
    },
  }
}

export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function clientData(type: string, challenge: string, { client, clientBytes }: Twist): Uint8Array {
  return (
    clientBytes ??
    Buffer.from(JSON.stringify({ type, challenge, origin: ORIGIN, crossOrigin: false, ...client }))
  )
}

function dataOf(
  { flags = 0, rpId, data }: Twist,
  ownRpId: string,
  counter: number,
  attested = Buffer.alloc(0),
) {
  const hash = createHash('sha256')
    .update(rpId ?? ownRpId)
    .digest()
  const honest = Buffer.concat([hash, Buffer.from([flags]), uint32(counter), attested])
  return data?.(honest) ?? honest
}

function keyPair(algorithm: PasskeyAlgorithm) {
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519')
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function coseOf(key: KeyObject, algorithm: PasskeyAlgorithm): Buffer {
  const { x = '', y = '', n = '', e = '' } = key.export({ format: 'jwk' })
  const bytes = (text: string) => Buffer.from(text, 'base64url')
  const hex = (text: string) => Buffer.from(text, 'hex')
  if (algorithm === 'ES256') {
    return Buffer.concat([hex('a5010203262001215820'), bytes(x), hex('225820'), bytes(y)])
  }
  if (algorithm === 'EdDSA') return Buffer.concat([hex('a4010103272006215820'), bytes(x)])
  return Buffer.concat([hex('a401030339010020'), cborBytes(bytes(n)), hex('21'), cborBytes(bytes(e))])
}

function cborBytes(bytes: Uint8Array): Buffer {
  const head =
    bytes.length < 24
      ? Buffer.from([0x40 | bytes.length])
      : bytes.length < 256
        ? Buffer.from([0x58, bytes.length])
        : Buffer.concat([Buffer.from([0x59]), uint16(bytes.length)])
  return Buffer.concat([head, bytes])
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
