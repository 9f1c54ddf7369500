import { Problem, type ProblemType } from './problems.ts'
import { log } from './http/log.ts'
import type { Cost, Database } from './database.ts'

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
  /** The key set of an identity provider (RFC 7517 §5); https. */
  JWKS_URL?: string
  /** When set, the `iss` that every token must carry. */
  JWT_ISSUER?: string
  /** When set, the `aud` that every token must carry. */
  JWT_AUDIENCE?: string
  /** Comma-separated exact origins that browsers may call from. */
  CORS_ORIGINS?: string
}

/** What the Worker is given: the D1 binding and the settings. */
export type Bindings = Cloudflare.Env & Settings

/** The caller, as its verified token says. */
export interface Identity {
  userId: string
}

/** The types of a request's context: `c.env` and what middleware puts into `c.var`. */
export interface App {
  Bindings: Bindings
  Variables: {
    requestId: string
    cost: Cost
    identity: Identity
    /** The user whose rows this request may touch: the `{user_id}` of the path, once it is proved to be the caller's. */
    owner: string
    database: Database
    problem: ProblemType
    authMs: number
  }
}

/** The settings after they were read and checked. */
export interface Config {
  development: boolean
  /** HS256 keys, the current one first; empty when only a key set is trusted. */
  secrets: readonly Uint8Array<ArrayBuffer>[]
  jwksUrl: string | undefined
  issuer: string | undefined
  audience: string | undefined
  origins: ReadonlySet<string>
}

const SECRET_BYTES = 32
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
  if (!env[secret] && !env.JWKS_URL) faults.push('neither JWT_SECRET nor JWKS_URL is set')
  if (env.JWKS_URL && !isTrustworthy(env.JWKS_URL, development)) faults.push('JWKS_URL is not an https URL')
  const origins = (env.CORS_ORIGINS ?? '').split(',').map((origin) => origin.trim())
  const exact = origins.filter((origin) => origin !== '')
  if (exact.some((origin) => !isOrigin(origin))) faults.push('CORS_ORIGINS is not a list of exact origins')
  return {
    faults,
    config: {
      development,
      secrets,
      jwksUrl: env.JWKS_URL || undefined,
      issuer: env.JWT_ISSUER || undefined,
      audience: env.JWT_AUDIENCE || undefined,
      origins: new Set(exact.filter(isOrigin)),
    },
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
