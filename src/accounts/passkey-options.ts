import { createHash } from 'node:crypto'
import { base64url } from 'jose'
import type { Context } from 'hono'
import { allowsOrigin, readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { newTicket, openTicket, type Purpose } from './tickets.ts'
import type { Expected } from './webauthn/ceremony.ts'
import { ALGORITHMS } from './webauthn/key.ts'

/** How long a challenge lives, in seconds. */
const LIFETIME = 300
const TIMEOUT = LIFETIME * 1000

/** A `PublicKeyCredentialCreationOptionsJSON` (WebAuthn Level 3 §5.4). */
export interface CreationOptions {
  rp: { id: string; name: string }
  user: { id: string; name: string; displayName: string }
  challenge: string
  pubKeyCredParams: { type: 'public-key'; alg: number }[]
  timeout: number
  excludeCredentials: { type: 'public-key'; id: string; transports: string[] }[]
  authenticatorSelection: { residentKey: 'required'; requireResidentKey: true; userVerification: 'required' }
  attestation: 'none'
}

/** A `PublicKeyCredentialRequestOptionsJSON` (WebAuthn Level 3 §5.5). */
export interface RequestOptions {
  challenge: string
  timeout: number
  rpId: string
  allowCredentials: []
  userVerification: 'required'
}

/** The user that a new passkey is for. */
interface PasskeyUser {
  id: string
  /** What the browser shows beside the passkey. */
  name: string
  exclude: CreationOptions['excludeCredentials']
}

/** The options of a registration, with a challenge of this deployment. */
export function creationOptions(c: Context<App>, challenge: string, user: PasskeyUser): CreationOptions {
  const rpId = relyingParty(c)
  return {
    rp: { id: rpId, name: rpId },
    user: { id: handleOf(user.id), name: user.name, displayName: user.name },
    challenge,
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
    timeout: TIMEOUT,
    excludeCredentials: user.exclude,
    authenticatorSelection: {
      residentKey: 'required',
      requireResidentKey: true,
      userVerification: 'required',
    },
    attestation: 'none',
  }
}

/** The options of a login. They name no user: the browser offers the passkeys it has. */
export async function requestOptions(c: Context<App>): Promise<RequestOptions> {
  const challenge = await newChallenge(c, 'passkey login', [])
  const rpId = relyingParty(c)
  return { challenge, timeout: TIMEOUT, rpId, allowCredentials: [], userVerification: 'required' }
}

/** A challenge that lives for five minutes. */
export function newChallenge(c: Context<App>, purpose: Purpose, subject: readonly string[]): Promise<string> {
  return newTicket(readConfig(c.env), purpose, subject)
}

/** What the answer to a {@link newChallenge} has to fit; its ticket is the challenge's id, to be spent. */
export function expectedAnswer(
  c: Context<App>,
  purpose: Purpose,
  subject: readonly string[],
): Expected<string> {
  const own = new URL(c.req.url).origin
  return {
    rpId: relyingParty(c),
    isOrigin: (origin) => origin === own || allowsOrigin(c.env, origin),
    open: (challenge) => openTicket(readConfig(c.env), purpose, subject, challenge, LIFETIME),
  }
}

/** What a registration by passkey is bound to: its e-mail, and the guest whose account it completes. */
export function registrant(email: string, guest: string | undefined): string[] {
  return guest === undefined ? [email] : [email, guest]
}

/** What authenticators call a user: nothing that tells who it is (WebAuthn Level 3 §14.6.1). */
export function handleOf(userId: string): string {
  return base64url.encode(createHash('sha256').update(userId).digest())
}

function relyingParty(c: Context<App>): string {
  return readConfig(c.env).PASSKEY_RP_ID ?? new URL(c.req.url).hostname
}
