import * as z from 'zod/mini'
import { log } from './log.ts'
import { memo } from './memo.ts'
import { ownKey, type OwnKey } from './own-key.ts'
import { Problem } from './problems.ts'
import { providers, secretSetting, type ConfiguredProvider } from './provider.ts'
import { domain, httpsUrl, onOff, oneOf, origins, seconds, secret, sender, whole, words } from './setting.ts'

const SECRET_BYTES = 32
const DAY = 24 * 60 * 60
/** No browser keeps a cookie for longer (RFC 6265bis §5.5), in seconds. */
const LONGEST_COOKIE = 400 * DAY

/**
 * Every setting: its name, kind, default and what it does, in one entry. {@link readConfig} reads it under its name, and
 * the table of the README, `.dev.vars.example`, the types and the tests' clean slate are made from here (`npm run docs`).
 */
export function settingsFor(development: boolean) {
  return z.object({
    /** the shared secret of HS256 tokens, at least 32 bytes */
    JWT_SECRET: secret(SECRET_BYTES),
    /** still verifies while `JWT_SECRET` is rotated */
    JWT_SECRET_PREVIOUS: secret(SECRET_BYTES),
    /** read in place of `JWT_SECRET` when that is unset */
    BETTER_AUTH_SECRET: secret(SECRET_BYTES),
    /** signs in place of the secret: a private JWK of Ed25519 or P-256, made by `npm run keys`; its public half is at `/.well-known/jwks.json` */
    JWT_PRIVATE_KEY: ownKey('JWT_PRIVATE_KEY'),
    /** still verifies, and is published, while `JWT_PRIVATE_KEY` is rotated: that key before, private or public */
    JWT_PRIVATE_KEY_PREVIOUS: ownKey('JWT_PRIVATE_KEY_PREVIOUS'),
    /** the key set of an identity provider (RFC 7517 §5), https; EdDSA, ES256, RS256 and PS256 */
    JWKS_URL: httpsUrl(development),
    /** the `iss` that every token must carry; with `JWKS_URL` the identity provider’s, and required */
    JWT_ISSUER: words(),
    /** the `aud` that every token must carry; with `JWKS_URL` the identity provider’s tokens, and required */
    JWT_AUDIENCE: words(),
    /** the `iss` of the tokens that this deployment signs, where `JWT_ISSUER` does not say */
    OWN_ISSUER: z.prefault(words(), 'freehold'),
    /** `on` lets `role: "admin"` count in the identity provider’s tokens, too: see who can set it there */
    JWT_TRUST_ROLE: onOff('off'),
    /** the exact origins that browsers may call from, with commas between them */
    CORS_ORIGINS: origins(),
    /** `off` takes the account routes away, for a team with an identity provider */
    ACCOUNTS: onOff('on'),
    /** how long an access token lives, in seconds */
    ACCESS_TOKEN_TTL: seconds(15 * 60, 30 * DAY),
    /** how long a session lives at most, in seconds */
    SESSION_TTL: seconds(30 * DAY, LONGEST_COOKIE),
    /** how long a session lives unused, in seconds */
    SESSION_IDLE_TTL: seconds(14 * DAY, LONGEST_COOKIE),
    /** `on` lets reads go to the nearest replica, when replication is on for the database: each request then is a D1 session */
    READ_REPLICAS: onOff('off'),
    /** whom mail comes from, `you@example.com` or `Name <you@example.com>`; without it no mail is sent */
    MAIL_FROM: sender(development ? 'Freehold <freehold@example.com>' : undefined),
    /** who sends it, `resend` or `postmark`; by default the binding `EMAIL` of `wrangler.toml` */
    MAIL_PROVIDER: oneOf(['resend', 'postmark']),
    /** the secret key of that provider */
    MAIL_API_KEY: words(),
    /** the page that links in mails lead to, by default this deployment; it handles `#reset=` and `#verify=` */
    APP_URL: httpsUrl(development),
    /** `on` lets nobody log in before their address is verified */
    REQUIRE_VERIFIED_EMAIL: onOff('off'),
    /** the domain that passkeys belong to, by default the host of the request; of your frontend, the API or a parent of both */
    PASSKEY_RP_ID: domain(),
    /** `off` takes live changes away: `/events` is a 404, and nothing is announced */
    LIVE: onOff('on'),
    /** who else signs users in, as JSON: `[{ "id", "name", "issuer", "client_id", "scope"?, "trust_email"? }]`; the secret of each is `OIDC_<ID>_SECRET` */
    OIDC_PROVIDERS: providers(development),
    /** `on` lets anybody try without signing up: `POST /api/auth/guest` */
    GUESTS: onOff('off'),
    /** where rows are: `d1`, all in the database `DB`, or `objects`, each owner’s in a Durable Object of their own; accounts stay in D1 */
    ROWS: z.prefault(oneOf(['d1', 'objects']), 'd1'),
    /** how many rows an owner may have in one collection, give or take 5 %; 0 for any number */
    QUOTA_ROWS: whole(100_000),
    /** `off` switches the rate limits of `wrangler.toml` off, in development only */
    RATE_LIMITS: onOff('on').check(z.refine((on) => on || development, 'can be off in development only')),
    /** `development`, set by `npm run dev`, allows `http://localhost:*` as an origin and plain http to a loopback address */
    ENVIRONMENT: words(),
  })
}

type Schema = ReturnType<typeof settingsFor>

/** The settings as `wrangler secret put` and `[vars]` deliver them: text, all optional, an empty one as if it were unset. */
export type Settings = { [Name in keyof Schema['shape']]?: string }

/** The rate limits' bindings, which a deployment may lack. */
export type Limiter = 'USER_LIMIT' | 'ACCOUNT_LIMIT' | 'ADDRESS_LIMIT'

/** What the Worker is given: the D1 binding, the rate limits, the hubs and the settings. */
export type Bindings = Omit<Cloudflare.Env, Limiter | 'HUB' | 'EMAIL'> &
  Partial<Pick<Cloudflare.Env, Limiter | 'HUB' | 'EMAIL'>> &
  Settings

/** The settings after they were read and checked, each under its name, and what follows from several of them. */
export interface Config extends Readonly<z.output<Schema>> {
  development: boolean
  /** HS256 keys, the current one first; empty when only a key set is trusted. */
  secrets: readonly Uint8Array<ArrayBuffer>[]
  /** Asymmetric keys of this deployment, the current one first; they verify and are published. */
  ownKeys: readonly OwnKey[]
  /** What access tokens are signed with; undefined when only others sign. */
  signingKey: OwnKey | Uint8Array<ArrayBuffer> | undefined
  /** Who else signs users in. */
  providers: readonly ConfiguredProvider[]
  /**
   * The `iss` of the tokens that this deployment signs: OWN_ISSUER, or JWT_ISSUER where that does not name the identity
   * provider.
   */
  ownIssuer: string
  /** Whether accounts are kept here: not switched off, and there is a key to sign with. */
  accounts: boolean
}

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
  const { development, CORS_ORIGINS } = readSettings(env).config
  return CORS_ORIGINS.has(origin) || (development && /^http:\/\/localhost(:\d{1,5})?$/.test(origin))
}

const readSettings = memo((env: Bindings): Reading => {
  const reading = parseSettings(env)
  if (reading.faults.length) log('error', { event: 'misconfigured', faults: reading.faults })
  return reading
})

function parseSettings(env: Settings): Reading {
  const development = env.ENVIRONMENT === 'development'
  const schema = settingsFor(development)
  const given = new Map<string, string>()
  for (const [name, value] of Object.entries<unknown>(env)) {
    if (!(name in schema.shape)) continue
    // A number or a table of [vars] in wrangler.toml arrives as what it is there.
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    if (text) given.set(name, text)
  }
  // Not even looked at: it is another library's, and may be as short as that one allows.
  if (given.has('JWT_SECRET')) given.delete('BETTER_AUTH_SECRET')
  const faults: string[] = []
  for (const { path, message } of schema.safeParse(Object.fromEntries(given)).error?.issues ?? []) {
    const [name, ...inside] = path.map(String)
    faults.push([name, ...inside, message].join(' '))
  }
  const readable = [...given].filter(([name]) => !faults.some((fault) => fault.startsWith(`${name} `)))
  const settings = schema.parse(Object.fromEntries(readable))

  const { JWT_PRIVATE_KEY: key, JWT_PRIVATE_KEY_PREVIOUS: previousKey } = settings
  const shared = settings.JWT_SECRET ?? settings.BETTER_AUTH_SECRET
  // It signs nothing more.
  if (previousKey) previousKey.d = undefined
  if (key && !key.d) faults.push('JWT_PRIVATE_KEY is a public key')
  const sameKey = key?.public.x === previousKey?.public.x
  if (key?.kid && key.kid === previousKey?.kid && !sameKey) {
    faults.push('JWT_PRIVATE_KEY_PREVIOUS has the kid of JWT_PRIVATE_KEY')
  }
  if (!['JWT_SECRET', 'BETTER_AUTH_SECRET', 'JWT_PRIVATE_KEY', 'JWKS_URL'].some((name) => given.has(name))) {
    faults.push('none of JWT_SECRET, JWT_PRIVATE_KEY and JWKS_URL is set')
  }
  if (given.has('JWKS_URL')) {
    // Without them a token that the provider issued for another service would be as good as one for this.
    for (const name of ['JWT_ISSUER', 'JWT_AUDIENCE'] as const) {
      if (!given.has(name)) faults.push(`${name} is not set, and JWKS_URL is`)
    }
    if (settings.OWN_ISSUER === settings.JWT_ISSUER) faults.push('OWN_ISSUER is the JWT_ISSUER of JWKS_URL')
  }
  if (settings.MAIL_PROVIDER && !settings.MAIL_API_KEY) faults.push('MAIL_API_KEY is not set')
  const signingKey = key ?? shared
  const texts = new Map(Object.entries<unknown>(env))
  const providersHere = settings.OIDC_PROVIDERS.map((provider): ConfiguredProvider => {
    const found = texts.get(secretSetting(provider.id))
    if (typeof found === 'string' && found !== '') return { ...provider, secret: found }
    faults.push(`${secretSetting(provider.id)} is not set`)
    return { ...provider, secret: '' }
  })
  return {
    faults,
    config: {
      ...settings,
      development,
      secrets: [shared, settings.JWT_SECRET_PREVIOUS].filter((bytes) => bytes !== undefined),
      ownKeys: [key, sameKey ? undefined : previousKey].filter((own) => own !== undefined),
      signingKey,
      providers: providersHere,
      ownIssuer: (given.has('JWKS_URL') ? undefined : settings.JWT_ISSUER) ?? settings.OWN_ISSUER ?? '',
      accounts: settings.ACCOUNTS && signingKey !== undefined,
    },
  }
}
