import { isUserId, UUID_V7 } from '../ids.ts'
import {
  decodeProtectedHeader,
  errors,
  jwtVerify,
  SignJWT,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from 'jose'
import type { Config } from '../config.ts'
import { roleOf, type Identity } from '../context.ts'
import { memo } from '../memo.ts'
import { Problem } from '../problems.ts'
import { issuersOf, type Issuer } from './issuers.ts'
import { importKey } from './keys.ts'

/** How far clocks may differ, in seconds. */
const LEEWAY = 30
/** The last second that RFC 3339 can write, 9999-12-31T23:59:59Z: a later expiry (1e400 is Infinity) is no time. */
const LAST_SECOND = 253_402_300_799

/** How long a token may be, in characters: what comes from outside is measured before it is worked on. */
const MAX_TOKEN = 16 * 1024

/** The media type of an access token (RFC 9068 §2.1). */
const ACCESS_TOKEN = 'at+jwt'

/** Whom a token names, when it expires, in seconds since 1970, and whether a key of this deployment signed it. */
export type Verified = Identity & { expires: number; own: boolean }

/**
 * Verifies an access token: a JWS in compact form (RFC 7515) by a trusted issuer, whose claims hold now (RFC 7519,
 * RFC 8725). The same token again, under the same key, is remembered until it expires (docs/decisions/0034). Throws
 * `invalid_token`, or `keys_unavailable` when its issuer's keys cannot be fetched.
 */
export async function verifyToken(token: string, config: Config): Promise<Verified> {
  if (token.length > MAX_TOKEN || !isCanonical(token)) throw invalidToken('it is not a signed token')
  for (const issuer of issuersOf(config)) {
    const { options, tokensOf } = trustIn(config)(issuer)
    for (const key of await issuer.keysFor(() => headerOf(token))) {
      const tokens = tokensOf(key)
      const known = tokens.get(token)
      if (known && known.expires > secondsNow() - LEEWAY) return known
      const signed = await verifiedBy(key, token, options)
      if (!signed) continue
      const verified = checked(signed, issuer, config)
      remember(tokens, token, verified)
      return verified
    }
  }
  throw invalidToken('no trusted key verifies it')
}

/** Whom a token with a valid signature names. Throws `invalid_token` when it is not an access token of that issuer's. */
function checked({ payload, protectedHeader }: JWTVerifyResult, { own }: Issuer, config: Config): Verified {
  const { sub, exp, iat, sid, role, auth_time } = payload
  if (!isAccessToken(protectedHeader.typ)) throw invalidToken('it is a token for another purpose')
  if (typeof sub !== 'string' || !isUserId(sub)) throw invalidToken('its subject is not a user id')
  if (typeof exp !== 'number' || exp > LAST_SECOND) throw invalidToken('its expiry is not a time')
  if (iat !== undefined && iat > secondsNow() + LEEWAY) throw invalidToken('it was issued in the future')
  if (own && config.JWKS_URL) checkOwnNames(payload, config)
  const sessionId = own ? sid : undefined
  if (!isSessionId(sessionId)) throw invalidToken('its session is not an id')
  const loggedInAt = typeof auth_time === 'number' ? auth_time : undefined
  const counted = own || config.JWT_TRUST_ROLE ? roleOf(role) : 'user'
  return { userId: sub, role: counted, sessionId, loggedInAt, expires: exp, own }
}

function secondsNow(): number {
  return Date.now() / 1000
}

/**
 * A signed access token of this deployment (RFC 9068) for a session: by JWT_PRIVATE_KEY when there is one, otherwise by
 * the shared secret. It lives for ACCESS_TOKEN_TTL seconds. Throws `misconfigured` when there is no key to sign with.
 */
export async function issueAccessToken(
  config: Config,
  { userId, role, sessionId }: Pick<Identity, 'userId' | 'role'> & { sessionId: string },
): Promise<string> {
  const { signingKey, ownIssuer, JWT_AUDIENCE: audience } = config
  if (!signingKey) throw new Problem('misconfigured')
  const now = Math.floor(Date.now() / 1000)
  const token = new SignJWT({
    sub: userId,
    role,
    sid: sessionId,
    iat: now,
    exp: now + config.ACCESS_TOKEN_TTL,
    jti: crypto.randomUUID(),
    iss: ownIssuer,
    ...(audience && { aud: audience }),
  })
  if (signingKey instanceof Uint8Array) {
    return token.setProtectedHeader({ alg: 'HS256', typ: ACCESS_TOKEN }).sign(signingKey)
  }
  const { kid, sign } = await importKey(signingKey)
  if (!sign) throw new Problem('misconfigured')
  return token.setProtectedHeader({ alg: signingKey.alg, kid, typ: ACCESS_TOKEN }).sign(sign)
}

/**
 * Beside a key set, JWT_ISSUER and JWT_AUDIENCE are what the provider's tokens carry. A token of our own keys may go
 * without either, as one made by hand does, but never with another issuer's name or for another audience.
 */
function checkOwnNames({ iss, aud }: JWTPayload, { ownIssuer, JWT_AUDIENCE }: Config): void {
  if (iss !== undefined && iss !== ownIssuer) throw invalidToken('its iss does not hold')
  if (aud !== undefined && ![aud].flat().includes(JWT_AUDIENCE ?? ''))
    throw invalidToken('its aud does not hold')
}

/** The problem for a token that was sent and does not hold, with the challenge of RFC 6750 §3. */
export function invalidToken(reason: string): Problem {
  return new Problem('invalid_token', {
    detail: `The access token was refused: ${reason}.`,
    headers: { 'WWW-Authenticate': `Bearer error="invalid_token", error_description="${reason}"` },
  })
}

function isSessionId(sid: unknown): sid is string | undefined {
  return sid === undefined || (typeof sid === 'string' && UUID_V7.test(sid))
}

/** Whether a token's `typ` leaves it an access token: one made for another purpose says so (RFC 8725 §3.11). */
function isAccessToken(typ: unknown): boolean {
  return typ === undefined || (typeof typ === 'string' && /^(application\/)?(at\+)?jwt$/i.test(typ))
}

/** What jose has to check of an issuer's tokens, and by the key that signed them, those which have passed every check. */
const trustIn = memo((config: Config) =>
  memo((issuer: Issuer) => ({ options: optionsFor(config, issuer), tokensOf: memo(noTokens) })),
)

function optionsFor(config: Config, issuer: Issuer): JWTVerifyOptions {
  // Of our own tokens beside a key set: see checkOwnNames.
  const named = !(issuer.own && config.JWKS_URL)
  return {
    algorithms: [...issuer.algorithms],
    clockTolerance: LEEWAY,
    requiredClaims: ['sub', 'exp'],
    ...(config.JWT_ISSUER && named && { issuer: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE && named && { audience: config.JWT_AUDIENCE }),
  }
}

function noTokens(_key: CryptoKey) {
  return new Map<string, Verified>()
}

/** How many tokens of a key are remembered, and how long each may be, in characters: together a few megabytes. */
const MAX_REMEMBERED = 1_000
const MAX_REMEMBERED_LENGTH = 2 * 1024

/** Remembers a token in place of the one that was verified longest ago. */
function remember(tokens: Map<string, Verified>, token: string, verified: Verified): void {
  if (token.length > MAX_REMEMBERED_LENGTH) return
  const [oldest] = tokens.size < MAX_REMEMBERED ? [] : tokens.keys()
  if (oldest !== undefined) tokens.delete(oldest)
  tokens.set(token, verified)
}

/** What the token says when this key signed it; undefined when it did not. Throws when it says something that does not hold. */
async function verifiedBy(
  key: CryptoKey,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult | undefined> {
  try {
    return await jwtVerify(token, key, options)
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw invalidToken('it has expired')
    if (error instanceof errors.JWTClaimValidationFailed)
      throw invalidToken(`its ${error.claim} does not hold`)
    return undefined
  }
}

function headerOf(token: string): JWTHeaderParameters {
  try {
    const { alg, ...header } = decodeProtectedHeader(token)
    return { ...header, alg: alg ?? '' }
  } catch {
    throw invalidToken('it is not a signed token')
  }
}

// The last character of a part has unused bits; only zeros there are canonical (RFC 4648 §3.5), so that a token has one form.
const PART = String.raw`(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?`
const CANONICAL = new RegExp(`^(?=[^.])${PART}\\.(?=[^.])${PART}\\.(?=.)${PART}$`)

function isCanonical(token: string): boolean {
  return CANONICAL.test(token)
}
