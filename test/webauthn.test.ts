import { createPublicKey } from 'node:crypto'
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import { describe, expect, test } from 'vitest'
import { attestedData } from '../src/accounts/webauthn/authenticator-data.ts'
import { authenticationResponse, registrationResponse } from '../src/accounts/webauthn/bodies.ts'
import { verifyAssertion, verifyRegistration, type NewCredential } from '../src/accounts/webauthn/ceremony.ts'
import {
  base64url,
  COSE,
  createPasskey,
  ORIGIN,
  usePasskey,
  type PasskeyAlgorithm,
  type Twist,
} from './authenticator.ts'
import type { Json } from './client.ts'

const RP = 'api.test'
const CHALLENGE = base64url(Buffer.from('a challenge that nobody guesses'))
const ALGORITHMS = Object.keys(COSE) as PasskeyAlgorithm[]
const creation = { rp: { id: RP }, user: { id: base64url(Buffer.from('ada')) }, challenge: CHALLENGE }
const asking = { rpId: RP, challenge: CHALLENGE }

interface Site {
  origin: string
  rpId: string
  challenge: string
}
const HERE: Site = { origin: ORIGIN, rpId: RP, challenge: CHALLENGE }

const expectedOf = ({ origin, rpId, challenge }: Site) => ({
  rpId,
  isOrigin: (said: string) => said === origin,
  open: async (said: string) => (said === challenge ? 'ticket' : undefined),
})

/** Our verdict on a registration: what is kept, or undefined. */
async function registered(answer: Json, site = HERE): Promise<NewCredential | undefined> {
  const { data } = registrationResponse.safeParse(answer)
  if (!data) return undefined
  return verifyRegistration(data, expectedOf(site)).then(
    ({ credential }) => credential,
    () => undefined,
  )
}

/** The library's verdict on it. */
async function libraryRegistered(answer: Json, site = HERE) {
  return verifyRegistrationResponse({
    response: answer,
    expectedChallenge: site.challenge,
    expectedOrigin: site.origin,
    expectedRPID: site.rpId,
  }).then(
    ({ registrationInfo }) => registrationInfo,
    () => undefined,
  )
}

async function asserted(
  answer: Json,
  credential: NewCredential,
  userHandle: string,
  site = HERE,
): Promise<boolean> {
  const { data } = authenticationResponse.safeParse(answer)
  if (!data) return false
  return verifyAssertion(data, expectedOf(site), async () => ({ ...credential, userHandle })).then(
    ({ cloned }) => !cloned,
    () => false,
  )
}

async function libraryAsserted(
  answer: Json,
  cose: Uint8Array,
  counter: number,
  site = HERE,
): Promise<boolean> {
  return verifyAuthenticationResponse({
    response: answer,
    expectedChallenge: site.challenge,
    expectedOrigin: site.origin,
    expectedRPID: site.rpId,
    credential: { id: answer.id, publicKey: Uint8Array.from(cose), counter },
  }).then(
    ({ verified }) => verified,
    () => false,
  )
}

const cut = (bytes: Buffer) => bytes.subarray(0, -1)
const grown = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)])
const flipped = (at: number) => (bytes: Buffer) => {
  const changed = Buffer.from(bytes)
  const place = at < 0 ? changed.length + at : at
  changed[place] = (changed[place] ?? 0) ^ 1
  return changed
}

/** What is wrong in either ceremony, and that the library refuses, too. */
const faults: Record<string, Twist> = {
  'another type': { client: { type: 'webauthn.other' } },
  'another challenge': { client: { challenge: base64url(Buffer.from('another')) } },
  'no challenge': { client: { challenge: undefined } },
  'another origin': { client: { origin: 'https://evil.test' } },
  'another port': { client: { origin: `${ORIGIN}:8443` } },
  'a page above it': { client: { crossOrigin: true, topOrigin: 'https://evil.test' } },
  'client data that are no JSON': { clientBytes: Buffer.from('{') },
  'client data that are no object': { clientBytes: Buffer.from('null') },
  'another relying party': { rpId: 'evil.test' },
  'nobody present': { flags: 0x5c & ~0x01 },
  'data cut short': { data: cut },
  'data that go on': { data: grown },
  'less data than there must be': { data: (data) => data.subarray(0, 36) },
  'no data': { data: () => Buffer.alloc(0) },
}

/** What the library lets through at a registration. */
const LAX = new Set(['a page above it', 'data cut short', 'a key of another curve'])

describe('a registration', () => {
  test.each(ALGORITHMS)('by %s is kept as the library reads it', async (algorithm) => {
    const { passkey, answer } = createPasskey(creation, algorithm, { counter: 7 })
    const [ours, theirs] = [await registered(answer), await libraryRegistered(answer)]
    expect(ours).toMatchObject({ counter: 7, backup_eligible: true, algorithm: COSE[algorithm] })
    expect(theirs?.credential).toMatchObject({ id: ours?.credential_id, counter: 7 })
    expect(theirs?.credential.publicKey).toEqual(Uint8Array.from(passkey.cose))
    // The copy that browsers make of the key is the one that was read.
    const copy = {
      key: Buffer.from(answer.response.publicKey, 'base64url'),
      format: 'der',
      type: 'spki',
    } as const
    const { kty, crv, x, y, n, e } = createPublicKey(copy).export({ format: 'jwk' })
    expect(JSON.parse(ours?.public_key ?? '')).toEqual({ kty, crv, x, y, n, e })
  })

  test('needs no copies of what its attestation object holds', async () => {
    const { answer } = createPasskey(creation)
    const {
      publicKey: _,
      authenticatorData: __,
      publicKeyAlgorithm: ___,
      transports: ____,
      ...bare
    } = answer.response
    expect(await registered({ ...answer, response: bare })).toBeDefined()
  })

  test.each(
    Object.entries({
      ...faults,
      'nobody verified': { flags: 0x59 },
      'a backup of what cannot be backed up': { flags: 0x55 },
      'no credential': { flags: 0x1d, data: (data: Buffer) => data.subarray(0, 37) },
      'a key of another curve': {
        cose: Buffer.from('a5010203262002215820' + '00'.repeat(32) + '225820' + '00'.repeat(32), 'hex'),
      },
      'a key of another algorithm': {
        cose: Buffer.from('a501020338222001215820' + '00'.repeat(32) + '225820' + '00'.repeat(32), 'hex'),
      },
      'no key': { cose: Buffer.from('a0', 'hex') },
      'an attestation of nothing': {
        attestation: Buffer.from('63666d746866697a7a62757a7a6761747453746d74a0', 'hex'),
      },
    } satisfies Record<string, Twist>),
  )('with %s is refused, by the library too unless it is lax', async (name, twist) => {
    const { answer } = createPasskey(creation, 'ES256', { flags: 0x5d, ...twist })
    const [ours, theirs] = [await registered(answer), await libraryRegistered(answer)]
    // Attestation is not looked at: none is asked for.
    expect(ours !== undefined).toBe(name === 'an attestation of nothing')
    // Of those that hold an unsigned key it is less strict.
    expect(theirs !== undefined).toBe(LAX.has(name))
  })

  test.each<[string, (answer: Json) => Json]>([
    ['an id that is not its rawId', (answer) => ({ ...answer, id: `${answer.id.slice(0, -4)}AAAA` })],
    ['the id of another credential', (answer) => ({ ...answer, id: 'AAAA', rawId: 'AAAA' })],
    ['no id', (answer) => ({ ...answer, id: undefined })],
    ['another type', (answer) => ({ ...answer, type: 'password' })],
    [
      'base64 for base64url',
      (answer) => ({ ...answer, response: { ...answer.response, clientDataJSON: 'a+b/' } }),
    ],
    [
      'an attestation object that is none',
      (answer) => ({ ...answer, response: { ...answer.response, attestationObject: 'AAAA' } }),
    ],
    [
      'more than anybody sends',
      (answer) => ({ ...answer, response: { ...answer.response, attestationObject: 'A'.repeat(24_000) } }),
    ],
  ])('with %s is refused', async (_, change) => {
    expect(await registered(change(createPasskey(creation).answer))).toBeUndefined()
  })

  test('with a point that is not on the curve is refused, which the library would take', async () => {
    const cose = Buffer.from('a5010203262001215820' + '01'.repeat(32) + '225820' + '02'.repeat(32), 'hex')
    expect(await registered(createPasskey(creation, 'ES256', { cose }).answer)).toBeUndefined()
  })

  test('with a short RSA key is refused', async () => {
    const cose = Buffer.from('a4010303390100205880' + 'c1'.repeat(128) + '2143010001', 'hex')
    expect(await registered(createPasskey(creation, 'RS256', { cose }).answer)).toBeUndefined()
  })

  test.each([
    '',
    'ff',
    'a1',
    '5b00000000ffffffff',
    '9bffffffffffffffff',
    '9f',
    'c0',
    'a201000100',
    'f97e00',
    '81'.repeat(50),
  ])('whose CBOR is %s is refused in no time', async (hex) => {
    const { answer } = createPasskey(creation)
    answer.response.attestationObject = base64url(Buffer.from(hex, 'hex')) || 'AA'
    expect(await registered(answer)).toBeUndefined()
  })
})

describe('an assertion', () => {
  const known = async (algorithm: PasskeyAlgorithm = 'ES256', counter = 0) => {
    const { passkey, answer } = createPasskey(creation, algorithm, { counter })
    const credential = await registered(answer)
    if (!credential) throw new Error('not registered')
    return { passkey, credential }
  }

  test.each(ALGORITHMS)('by %s holds, as for the library', async (algorithm) => {
    const { passkey, credential } = await known(algorithm)
    const answer = usePasskey(passkey, asking)
    expect(await asserted(answer, credential, passkey.userHandle)).toBe(true)
    expect(await libraryAsserted(answer, passkey.cose, 0)).toBe(true)
  })

  test.each(
    Object.entries({
      ...faults,
      'nobody present': { flags: 0x1c },
      'nobody verified': { flags: 0x19 },
      'a backup of what cannot be backed up': { flags: 0x15 },
      'a changed signature': { signature: flipped(-1) },
      'a signature cut short': { signature: cut },
      'a signature of other data': { data: flipped(36), signature: (signature: Buffer) => signature },
      'no signature': { signature: () => Buffer.alloc(1) },
    } satisfies Record<string, Twist>).filter(([name]) => name !== 'a signature of other data'),
  )('with %s is refused, as by the library', async (_, twist) => {
    const { passkey, credential } = await known()
    const answer = usePasskey(passkey, asking, { flags: 0x1d, ...twist })
    expect(await libraryAsserted(answer, passkey.cose, 0)).toBe(false)
    expect(await asserted(answer, credential, passkey.userHandle)).toBe(false)
  })

  test.each(ALGORITHMS)('by the key of another is refused for %s, as by the library', async (algorithm) => {
    const { passkey, credential } = await known(algorithm)
    for (const other of ALGORITHMS) {
      const signer = createPasskey(creation, other).passkey
      const answer = usePasskey(passkey, asking, { signer })
      expect(await libraryAsserted(answer, passkey.cose, 0)).toBe(false)
      expect(await asserted(answer, credential, passkey.userHandle)).toBe(false)
    }
  })

  test.each<[kept: number, sent: number, holds: boolean]>([
    [0, 0, true],
    [0, 1, true],
    [5, 6, true],
    [5, 5, false],
    [5, 4, false],
    [5, 0, false],
    [0, 4_294_967_295, true],
  ])('after %i with a counter of %i: %s, as for the library', async (kept, sent, holds) => {
    const { passkey, credential } = await known('ES256', kept)
    const answer = usePasskey(passkey, asking, { counter: sent })
    expect(await asserted(answer, credential, passkey.userHandle)).toBe(holds)
    expect(await libraryAsserted(answer, passkey.cose, kept)).toBe(holds)
  })

  test.each<[string, Twist]>([
    ['for another user', { userHandle: base64url(Buffer.from('eve')) }],
    ['that names no user', { userHandle: null }],
    ['of a credential that has become one for one device', { flags: 0x05 }],
    ['in a frame of a page that is not named', { client: { crossOrigin: true } }],
  ])('%s is refused, which the library leaves to its caller', async (_, twist) => {
    const { passkey, credential } = await known()
    expect(await asserted(usePasskey(passkey, asking, twist), credential, passkey.userHandle)).toBe(false)
  })
})

describe('the vectors that the library publishes', () => {
  const site = (origin: string, challenge: string): Site => ({
    origin,
    rpId: new URL(origin).hostname,
    challenge: base64url(Buffer.from(challenge)),
  })
  const NONE = {
    id: 'AdKXJEch1aV5Wo7bj7qLHskVY4OoNaj9qu8TPdJ7kSAgUeRxWNngXlcNIGt4gexZGKVGcqZpqqWordXb_he1izY',
    rawId: 'AdKXJEch1aV5Wo7bj7qLHskVY4OoNaj9qu8TPdJ7kSAgUeRxWNngXlcNIGt4gexZGKVGcqZpqqWordXb_he1izY',
    type: 'public-key',
    clientExtensionResults: {},
    response: {
      attestationObject:
        'o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVjFPdxHEOnAiLIp26idVjIguzn3Ipr_RlsKZWsa-5qK-KBFAAAAAAAAAAAAAAAAAAAAAAAAAAAAQQHSlyRHIdWleVqO24-6ix7JFWODqDWo_arvEz3Se5EgIFHkcVjZ4F5XDSBreIHsWRilRnKmaaqlqK3V2_4XtYs2pQECAyYgASFYID5PQTZQQg6haZFQWFzqfAOyQ_ENsMH8xxQ4GRiNPsqrIlggU8IVUOV8qpgk_Jh-OTaLuZL52KdX1fTht07X4DiQPow',
      clientDataJSON:
        'eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwiY2hhbGxlbmdlIjoiYUVWalkxQlhkWHBwVURBd1NEQndOV2Q0YURKZmRUVmZVRU0wVG1WWloyUSIsIm9yaWdpbiI6Imh0dHBzOlwvXC9kZXYuZG9udG5lZWRhLnB3IiwiYW5kcm9pZFBhY2thZ2VOYW1lIjoib3JnLm1vemlsbGEuZmlyZWZveCJ9',
      transports: [],
    },
  }
  const RSA = {
    id: 'kGXv4RJWLeXRw8Yf3T22K3Gq_GGeDv9OKYmAHLm0Ylo',
    rawId: 'kGXv4RJWLeXRw8Yf3T22K3Gq_GGeDv9OKYmAHLm0Ylo',
    type: 'public-key',
    clientExtensionResults: {},
    response: {
      attestationObject:
        'o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YVkBZz3cRxDpwIiyKduonVYyILs59yKa_0ZbCmVrGvuaivigRQAAAABgKLAXsdRMArSzr82vyWuyACCQZe_hElYt5dHDxh_dPbYrcar8YZ4O_04piYAcubRiWqQBAwM5AQAgWQEA8X6V649G2vwB99CSf_luwR0jj7oDg_GhA3TQSnNYIwfQJldxT5dmi9H8IjjCrTP28iNuKl29hc3Mowux1FZB0bc5AEJ2oV3JCOMGP9NZKGmOosF7iBN2GtGY7Nomcs-ruBv2mxp1nTm6mv5B8XNwh0e18uTA5AJCsl-k6lNLYB2XBIQ3fy2-TjSQ8IOMLypWQbWWBJXzLmepaJ6EWe6kf_NaxpA2chWsaekZcr8xG6OIo3iGh0Mpags_qBZtN4n2TDn0R2LheLk4yQ0R_oOAVtX963Yuw0x5NYSZyMNSMi_1RSEPTYn5AILmIzQskglDaWJYtnjKz4QLuXWCRRYyDSFDAQAB',
      clientDataJSON:
        'eyJjaGFsbGVuZ2UiOiJwWVozVlgyeWI4ZFM5eXBsTnhKQ2hpWGhQR0JrOGdaelRBeUoyaVU1eDFrIiwiY2xpZW50RXh0ZW5zaW9ucyI6e30sImhhc2hBbGdvcml0aG0iOiJTSEEtMjU2Iiwib3JpZ2luIjoiaHR0cHM6Ly9kZXYuZG9udG5lZWRhLnB3IiwidHlwZSI6IndlYmF1dGhuLmNyZWF0ZSJ9',
      transports: [],
    },
  }

  test.each([
    ['ES256', NONE, site('https://dev.dontneeda.pw', 'hEccPWuziP00H0p5gxh2_u5_PC4NeYgd')],
    [
      'RS256',
      RSA,
      { ...site('https://dev.dontneeda.pw', ''), challenge: 'pYZ3VX2yb8dS9yplNxJChiXhPGBk8gZzTAyJ2iU5x1k' },
    ],
  ])('register a key of %s here as there', async (_, answer, where) => {
    const ours = await registered(answer, where)
    expect(ours?.credential_id).toBe(answer.id)
    expect((await libraryRegistered(answer, where))?.credential.counter).toBe(ours?.counter)
    expect(await registered(answer)).toBeUndefined()
  })

  test('assert here as there', async () => {
    const id =
      'AaIBxnYfL2pDWJmIii6CYgHBruhVvFGHheWamphVioG_TnEXxKA9MW4FWnJh21zsbmRpRJso9i2JmAtWOtXfVd4oXTgYVusXwhWWsA'
    const answer = {
      id,
      rawId: id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        authenticatorData: 'SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFYftypQ',
        clientDataJSON:
          'eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiZXlKaFkzUjFZV3hEYUdGc2JHVnVaMlVpT2lKTE0xRjRUMnB1VmtwTWFVZHNibFpGY0RWMllUVlJTbVZOVmxkT1psODNVRmxuZFhSbllrRjBRVlZCSWl3aVlYSmlhWFJ5WVhKNVJHRjBZU0k2SW5OcFoyNU5aVkJzWldGelpTSjkiLCJvcmlnaW4iOiJodHRwOi8vbG9jYWxob3N0OjgwMDAiLCJjcm9zc09yaWdpbiI6ZmFsc2V9',
        signature:
          'MEUCIByFAVGfkoKPEzynp-37BX_HOXSaC6-58-ELjB7BG9opAiEAyD_1mN9YAPrphcwpzK3ym2Xx8EjAapgQ326mKgQ1pW0',
        userHandle: 'aW50ZXJuYWw',
      },
    }
    const where = site(
      'http://localhost:8000',
      '{"actualChallenge":"K3QxOjnVJLiGlnVEp5va5QJeMVWNf_7PYgutgbAtAUA","arbitraryData":"arbitraryDataForSigning"}',
    )
    where.challenge = JSON.parse(
      Buffer.from(answer.response.clientDataJSON, 'base64url').toString(),
    ).challenge
    const cose = Buffer.from(
      'pQECAyYgASFYILTrxTUQv3X4DRM6L_pk65FSMebenhCx3RMsTKoBm-AxIlggEf3qk5552QLNSh1T1oQs7_2C2qysDwN4r4fCp52Hsqs',
      'base64url',
    )
    // A registration with the key of the vector, to keep it as one is kept.
    const credential = await registered(createPasskey(creation, 'ES256', { cose }).answer)
    if (!credential) throw new Error('not registered')
    const kept = { ...credential, backup_eligible: false }
    expect(await libraryAsserted(answer, cose, 0, where)).toBe(true)
    expect(await asserted(answer, kept, 'aW50ZXJuYWw', where)).toBe(true)
    const changed = {
      ...answer,
      response: { ...answer.response, signature: `${answer.response.signature.slice(0, -4)}pW0Q` },
    }
    expect(await asserted(changed, kept, 'aW50ZXJuYWw', where)).toBe(false)
  })
})

test('a self attestation of another format is read, and not believed', () => {
  const packed = Buffer.from('63666d74667061636b65646761747453746d74a263616c672663736967420000', 'hex')
  const { answer } = createPasskey(creation, 'ES256', { attestation: packed })
  expect(attestedData(Buffer.from(answer.response.attestationObject, 'base64url')).attested).toBeDefined()
})
