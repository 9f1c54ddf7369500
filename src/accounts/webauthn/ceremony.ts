import { createHash, timingSafeEqual } from 'node:crypto'
import { base64url } from 'jose'
import * as z from 'zod/mini'
import { Problem, type ProblemType } from '../../problems.ts'
import { attestedData, readAuthenticatorData, type AuthenticatorData } from './authenticator-data.ts'
import type { AuthenticationResponse, RegistrationResponse } from './bodies.ts'
import { isSignedBy, keyOf, type StoredKey } from './key.ts'

/** What a ceremony has to fit. */
export interface Expected<Ticket> {
  /** The relying party: a domain. */
  rpId: string
  /** Whether a page of this origin may ask for passkeys. */
  isOrigin: (origin: string) => boolean
  /** What the challenge stands for; undefined when it is none of ours, too old or for something else. */
  open: (challenge: string) => Promise<Ticket | undefined>
}

/** A credential to keep. */
export interface NewCredential extends StoredKey {
  credential_id: string
  counter: number
  backup_eligible: boolean
}

/** A credential as it was kept. */
export interface KnownCredential extends NewCredential {
  /** What its authenticator calls its user. */
  userHandle: string
}

/** The client's data (WebAuthn Level 3 §5.8.1) that is looked at; browsers may add to it. */
const clientData = z.lazy(() =>
  z.object({
    type: z.string(),
    challenge: z.string(),
    origin: z.string(),
    crossOrigin: z.optional(z.boolean()),
    topOrigin: z.optional(z.unknown()),
  }),
)

/**
 * Verifies the registration of a credential (WebAuthn Level 3 §7.1) without looking at its attestation: none is asked
 * for, so nothing in it is signed by a trusted party, and it only proves that the caller has the challenge. Reads the
 * attestation object alone; `publicKey` and `authenticatorData` beside it are copies, which some authenticators leave
 * out. Throws `invalid_passkey` with what does not hold.
 */
export async function verifyRegistration<Ticket>(
  { id, rawId, response }: RegistrationResponse,
  expected: Expected<Ticket>,
): Promise<{ ticket: Ticket; credential: NewCredential }> {
  const refused = refusal('invalid_passkey')
  if (id !== rawId) throw refused('its id and its rawId differ')
  const ticket = await openClientData(response.clientDataJSON, 'webauthn.create', expected, refused)
  const data = read(() => attestedData(base64url.decode(response.attestationObject)), refused)
  requireSound(data, expected.rpId, refused)
  const { attested } = data
  if (!attested || base64url.encode(attested.credentialId) !== id)
    throw refused('it holds no credential of this id')
  const key = read(() => keyOf(attested.key), refused)
  return {
    ticket,
    credential: {
      ...key,
      credential_id: id,
      counter: data.counter,
      backup_eligible: data.backupEligible,
    },
  }
}

/**
 * Verifies that a known credential signed the challenge (WebAuthn Level 3 §7.2), for a user that nobody has named before.
 * `find` gets what is kept of it. Throws `passkey_refused`. Resolves also when the counter went back, with `cloned`:
 * that is to be refused, and told.
 */
export async function verifyAssertion<Ticket, Found extends KnownCredential>(
  { id, rawId, response }: AuthenticationResponse,
  expected: Expected<Ticket>,
  find: () => Promise<Found | undefined>,
): Promise<{ ticket: Ticket; known: Found; counter: number; cloned: boolean }> {
  const refused = refusal('passkey_refused')
  if (id !== rawId) throw refused('its id and its rawId differ')
  const ticket = await openClientData(response.clientDataJSON, 'webauthn.get', expected, refused)
  const bytes = base64url.decode(response.authenticatorData)
  const data = read(() => readAuthenticatorData(bytes), refused)
  requireSound(data, expected.rpId, refused)
  // Everything that can be checked without the credential is checked before it is fetched.
  const known = await find()
  if (!known) throw refused('no account here has it')
  if (response.userHandle !== known.userHandle) throw refused('it is of another user')
  if (data.backupEligible !== known.backup_eligible) throw refused('its kind has changed')
  const hash = sha256(base64url.decode(response.clientDataJSON))
  if (!isSignedBy(known, Uint8Array.from([...bytes, ...hash]), base64url.decode(response.signature))) {
    throw refused('its signature does not hold')
  }
  const counts = data.counter !== 0 || known.counter !== 0
  return { ticket, known, counter: data.counter, cloned: counts && data.counter <= known.counter }
}

type Refusal = (reason: string) => Problem

function refusal(type: Extract<ProblemType, 'invalid_passkey' | 'passkey_refused'>): Refusal {
  return (reason) => new Problem(type, { detail: `The passkey was refused: ${reason}.` })
}

/** Checks what the browser says of the ceremony, and resolves to what its challenge stands for. */
async function openClientData<Ticket>(
  clientDataJSON: string,
  type: string,
  { isOrigin, open }: Expected<Ticket>,
  refused: Refusal,
): Promise<Ticket> {
  const said = read(
    () => clientData.parse(JSON.parse(UTF8.decode(base64url.decode(clientDataJSON)))),
    refused,
  )
  if (said.type !== type) throw refused('it is of another ceremony')
  if (!isOrigin(said.origin)) throw refused('its origin is not an allowed one')
  // In a frame of another origin a page could make its visitor sign without their knowing where.
  if (said.crossOrigin || said.topOrigin !== undefined)
    throw refused('it was made in a frame of another origin')
  const ticket = await open(said.challenge)
  if (ticket === undefined) throw refused('its challenge is too old, or not for this')
  return ticket
}

function requireSound(data: AuthenticatorData, rpId: string, refused: Refusal): void {
  if (!timingSafeEqual(data.rpIdHash, sha256(new TextEncoder().encode(rpId)))) {
    throw refused('it is for another relying party')
  }
  if (!data.userPresent || !data.userVerified) throw refused('its user was not verified')
  if (data.backedUp && !data.backupEligible) throw refused('its flags contradict each other')
}

/** What a reader makes of bytes from outside. */
function read<Result>(work: () => Result, refused: Refusal): Result {
  try {
    return work()
  } catch {
    throw refused('it is malformed')
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
