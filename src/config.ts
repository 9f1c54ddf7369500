import { parseKey, type OwnKey } from './own-key.ts'
import { Problem } from './problems.ts'
import { log } from './log.ts'

/** The settings of a deployment, as `wrangler secret put` and `[vars]` deliver them: text, all optional, checked by {@link readConfig}. */
export interface Settings {
  /** `development` allows `http://localhost:*` as an origin and plain http to a loopback JWKS_URL. */
  ENVIRONMENT?: string
  /** The shared HS256 secret, at least 32 bytes. */
  JWT_SECRET?: string
  /** Still verifies while JWT_SECRET is rotated. */
  JWT_SECRET_PREVIOUS?: string
  /** Read when JWT_SECRET is unset. */
  BETTER_AUTH_SECRET?: string
  /** Signs in place of the shared secret: a private JWK of Ed25519 (EdDSA) or P-256 (ES256), as JSON. */
  JWT_PRIVATE_KEY?: string
  /** Still verifies, and is still published, while JWT_PRIVATE_KEY is rotated: that key before, private or public. */
  JWT_PRIVATE_KEY_PREVIOUS?: string
  /** The key set of an identity provider (RFC 7517 §5); https. */
  JWKS_URL?: string
  /** When set, the `iss` that every token must carry. */
  JWT_ISSUER?: string
  /** When set, the `aud` that every token must carry. */
  JWT_AUDIENCE?: string
  /** Comma-separated exact origins that browsers may call from. */
  CORS_ORIGINS?: string
  /** `off` takes the account routes away, for a team with an identity provider of its own. */
  ACCOUNTS?: string
  /** How long an access token lives, in seconds. */
  ACCESS_TOKEN_TTL?: string
  /** How long a session lives, however much it is used, in seconds. */
  SESSION_TTL?: string
  /** How long a session lives unused, in seconds. */
  SESSION_IDLE_TTL?: string
  /** `off` switches the rate limits off, in development only. */
  RATE_LIMITS?: string
}

/** The rate limits' bindings, which a deployment may lack. */
export type Limiter = 'USER_LIMIT' | 'ACCOUNT_LIMIT' | 'ADDRESS_LIMIT'

/** What the Worker is given: the D1 binding, the rate limits and the settings. */
export type Bindings = Omit<Cloudflare.Env, Limiter> & Partial<Pick<Cloudflare.Env, Limiter>> & Settings

/** The settings after they were read and checked. */
export interface Config {
  development: boolean
  /** HS256 keys, the current one first; empty when only a key set is trusted. */
  secrets: readonly Uint8Array<ArrayBuffer>[]
  /** Asymmetric keys of this deployment, the current one first; they verify and are published. */
  ownKeys: readonly OwnKey[]
  /** What access tokens are signed with; undefined when only others sign. */
  signingKey: OwnKey | Uint8Array<ArrayBuffer> | undefined
  jwksUrl: string | undefined
  issuer: string | undefined
  audience: string | undefined
  origins: ReadonlySet<string>
  /** Whether accounts are kept here: not switched off, and there is a key to sign with. */
  accounts: boolean
  /** How long an access token lives, in seconds. */
  accessTokenTtl: number
  /** How long a session lives, however much it is used, in seconds. */
  sessionTtl: number
  /** How long a session lives unused, in seconds. */
  sessionIdleTtl: number
  rateLimits: boolean
}

const SECRET_BYTES = 32
const DAY = 24 * 60 * 60
/** Lifetimes in seconds: when unset, and at most. No browser keeps a cookie for more than 400 days (RFC 6265bis §5.5). */
const LIFETIMES = {
  ACCESS_TOKEN_TTL: [15 * 60, 30 * DAY],
  SESSION_TTL: [30 * DAY, 400 * DAY],
  SESSION_IDLE_TTL: [14 * DAY, 400 * DAY],
} as const
const configs = new WeakMap<object, Reading>()

interface Reading {
  config: Config
  /** What cannot be read, a sentence each. */
  faults: readonly string[]
}

/**
 * The checked settings. Throws the problem `misconfigured` when one cannot be read: there is no silent default,
 * and the log has said why, once an isolate.
 */
export function readConfig(env: Bindings): Config {
  const { config, faults } = readSettings(env)
  if (faults.length) throw new Problem('misconfigured')
  return config
}

/** Whether a browser page of this origin may call; works with broken settings too, so that the page can read the 503. */
export function allowsOrigin(env: Bindings, origin: string): boolean {
  const { development, origins } = readSettings(env).config
  return origins.has(origin) || (development && /^http:\/\/localhost(:\d{1,5})?$/.test(origin))
}

function readSettings(env: Bindings): Reading {
  let reading = configs.get(env)
  if (!reading) {
    reading = parseSettings(env)
    configs.set(env, reading)
    if (reading.faults.length) log('error', { event: 'misconfigured', faults: reading.faults })
  }
  return reading
}

function parseSettings(env: Settings): Reading {
  const faults: string[] = []
  const development = env.ENVIRONMENT === 'development'
  const secret = env.JWT_SECRET ? 'JWT_SECRET' : 'BETTER_AUTH_SECRET'
  const secrets: Uint8Array<ArrayBuffer>[] = []
  for (const name of [secret, 'JWT_SECRET_PREVIOUS'] as const) {
    const bytes = Uint8Array.from(new TextEncoder().encode(env[name]))
    if (bytes.length >= SECRET_BYTES) secrets.push(bytes)
    else if (bytes.length) faults.push(`${name} is shorter than ${SECRET_BYTES} bytes`)
  }
  const key = readKey('JWT_PRIVATE_KEY')
  const previousKey = readKey('JWT_PRIVATE_KEY_PREVIOUS')
  // It signs nothing more.
  if (previousKey) previousKey.d = undefined
  if (key && !key.d) faults.push('JWT_PRIVATE_KEY is a public key')
  const sameKey = key?.public.x === previousKey?.public.x
  if (key?.kid && key.kid === previousKey?.kid && !sameKey) {
    faults.push('JWT_PRIVATE_KEY_PREVIOUS has the kid of JWT_PRIVATE_KEY')
  }
  if (!env[secret] && !env.JWT_PRIVATE_KEY && !env.JWKS_URL) {
    faults.push('none of JWT_SECRET, JWT_PRIVATE_KEY and JWKS_URL is set')
  }
  if (env.JWKS_URL && !isTrustworthy(env.JWKS_URL, development)) faults.push('JWKS_URL is not an https URL')
  const origins = (env.CORS_ORIGINS ?? '').split(',').map((origin) => origin.trim())
  const exact = origins.filter((origin) => origin !== '')
  if (exact.some((origin) => !isOrigin(origin))) faults.push('CORS_ORIGINS is not a list of exact origins')
  const signingKey = key ?? (env[secret] ? secrets[0] : undefined)
  const accounts = readSwitch('ACCOUNTS') && signingKey !== undefined
  const rateLimits = readSwitch('RATE_LIMITS')
  if (!rateLimits && !development) faults.push('RATE_LIMITS can be off in development only')
  return {
    faults,
    config: {
      development,
      secrets,
      ownKeys: [key, sameKey ? undefined : previousKey].filter((own) => own !== undefined),
      signingKey,
      jwksUrl: env.JWKS_URL || undefined,
      issuer: env.JWT_ISSUER || undefined,
      audience: env.JWT_AUDIENCE || undefined,
      origins: new Set(exact.filter(isOrigin)),
      accounts,
      accessTokenTtl: readLifetime('ACCESS_TOKEN_TTL'),
      sessionTtl: readLifetime('SESSION_TTL'),
      sessionIdleTtl: readLifetime('SESSION_IDLE_TTL'),
      rateLimits,
    },
  }

  function readKey(name: 'JWT_PRIVATE_KEY' | 'JWT_PRIVATE_KEY_PREVIOUS'): OwnKey | undefined {
    const text = env[name]
    const own = text ? parseKey(name, text) : undefined
    if (text && !own) faults.push(`${name} is not a JWK of Ed25519 or P-256`)
    return own
  }

  function readSwitch(name: 'ACCOUNTS' | 'RATE_LIMITS'): boolean {
    const text = env[name] || 'on'
    if (text !== 'on' && text !== 'off') faults.push(`${name} is neither on nor off`)
    return text !== 'off'
  }

  function readLifetime(name: keyof typeof LIFETIMES): number {
    const [usual, most] = LIFETIMES[name]
    const text = env[name]
    if (!text) return usual
    const seconds = /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN
    if (!(seconds <= most)) faults.push(`${name} is not a whole number of seconds from 1 to ${most}`)
    return seconds
  }
}

function isTrustworthy(text: string, development: boolean): boolean {
  const url = URL.parse(text)
  if (!url) return false
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  return url.protocol === 'https:' || (development && loopback && url.protocol === 'http:')
}

function isOrigin(text: string): boolean {
  return URL.parse(text)?.origin === text && text !== 'null' && !text.includes('*')
}
