import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { readConfig, type Bindings, type Limiter } from '../config.ts'
import type { App } from '../context.ts'
import type { Cost } from '../d1/database.ts'
import { Problem } from '../problems.ts'
import { sha256 } from '../sha256.ts'
import { log } from '../log.ts'
import { memo } from '../memo.ts'
import { afterAnswer } from './after-answer.ts'

/** What is limited on the way to an account. */
export type Purpose = 'login' | 'guest' | 'register' | 'refresh' | 'logout' | 'password' | 'mail' | 'proof'

/** A quota of requests in a window of seconds, under the name that clients are told. */
export interface Policy {
  name: string
  quota: number
  window: number
}

/** The policies of the bindings. The numbers that hold are those of wrangler.toml; a test keeps these equal. */
export const policies: Readonly<Record<Limiter, Policy>> = {
  USER_LIMIT: { name: 'user', quota: 1200, window: 60 },
  ACCOUNT_LIMIT: { name: 'account', quota: 20, window: 60 },
  ADDRESS_LIMIT: { name: 'address', quota: 120, window: 60 },
}

/**
 * Limits what a user may ask of the API: one unit a request, and more for what it costs ({@link chargeUser}). Throws
 * `rate_limited`. Without its binding the API serves, and the log says so.
 */
export const limitUser = createMiddleware<App>(async function limitUser(c, next) {
  await count(c, 'USER_LIMIT', c.get('identity').userId)
  await next()
  chargeUser(c)
})

/** How much work of the database one unit pays for, in milliseconds. */
const UNIT_MS = 5
/** How many units are counted at a time. */
const AT_ONCE = 50
const chargedFor = memo((_cost: Cost) => ({ units: 0 }))

/**
 * Charges the caller, after the answer, one unit for every 5 ms that the database has worked for the request so far and
 * that was not charged yet. A stream that keeps asking after its answer has begun calls it again.
 */
export function chargeUser(c: Context<App>): void {
  const cost = c.get('cost')
  const due = Math.min(Math.floor(cost.workMs / UNIT_MS), policies.USER_LIMIT.quota)
  if (due === 0) return
  const charged = chargedFor(cost)
  const units = due - charged.units
  if (units <= 0 || !readConfig(c.env).RATE_LIMITS) return
  charged.units = due
  afterAnswer(c, spend(c.env, c.get('identity').userId, units))
}

/** Counts so many units; the binding takes one at a time. What is over the limit is for the next request to hear. */
async function spend(env: Bindings, key: string, units: number): Promise<void> {
  for (let left = units; left > 0; left -= AT_ONCE) {
    const calls = Array.from({ length: Math.min(left, AT_ONCE) }, () => outcomeOf(env, 'USER_LIMIT', key))
    await Promise.all(calls)
  }
}

/** Limits what a client address may ask for a purpose. Throws `rate_limited`, or `misconfigured` without its binding. */
export function limitAddress(purpose: Purpose) {
  return createMiddleware<App>(async function byAddress(c, next) {
    const address = addressKey(c.req.header('CF-Connecting-IP') ?? '')
    await demand(c, 'ADDRESS_LIMIT', `${purpose} ${address}`)
    await next()
  })
}

/**
 * Limits what may be asked for a purpose and an account, from wherever: its normalised e-mail, or its id. To be called
 * before any hashing of passwords. Throws `rate_limited`, or `misconfigured` without its binding.
 */
export async function limitAccount(c: Context<App>, purpose: Purpose, account: string): Promise<void> {
  // A digest, so that no e-mail is kept where erasing the account does not reach.
  const digest = await sha256(new TextEncoder().encode(account))
  await demand(c, 'ACCOUNT_LIMIT', `${purpose} ${digest}`)
}

/** {@link limitAccount} for this client address alone, so that a stranger cannot use up the limit of an account's owner. */
export async function limitAccountHere(c: Context<App>, purpose: Purpose, account: string): Promise<void> {
  await limitAccount(c, purpose, `${addressKey(c.req.header('CF-Connecting-IP') ?? '')} ${account}`)
}

/**
 * A client address as what it is limited by: an IPv4 address by itself, an IPv6 address by its /64, which is what one
 * subscriber has (RFC 6177). Everything that is not an address shares one key.
 */
export function addressKey(address: string): string {
  const [ip = ''] = address.trim().split('%', 1)
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(ip)) return ip
  const groups = ipv6Groups(ip)
  if (!groups) return 'unknown'
  const [high = 0, low = 0] = groups.slice(6)
  const mapped = groups.slice(0, 6).join() === [0, 0, 0, 0, 0, 0xff_ff].join()
  if (mapped) return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The eight groups of an IPv6 address (RFC 4291 §2.2), undefined when it is none. The URL parser knows every spelling. */
function ipv6Groups(ip: string): number[] | undefined {
  const url = /^[\da-f:.]+$/i.test(ip) ? URL.parse(`http://[${ip}]`) : null
  if (!url) return undefined
  const [before = [], after = []] = url.hostname
    .slice(1, -1)
    .split('::')
    .map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
}

/** {@link count}, where serving without a limit would be an invitation to guess. */
async function demand(c: Context<App>, limiter: Limiter, key: string): Promise<void> {
  if (!(await count(c, limiter, key))) throw new Problem('misconfigured')
}

/** Counts a request. Throws `rate_limited`; false when it could not be counted. */
async function count(c: Context<App>, limiter: Limiter, key: string): Promise<boolean> {
  if (!readConfig(c.env).RATE_LIMITS) return true
  const outcome = await outcomeOf(c.env, limiter, key)
  if (!outcome) return false
  if (!outcome.success) throw rateLimited(policies[limiter])
  return true
}

const missingIn = memo((_env: Bindings) => new Set<Limiter>())

/** The binding's answer; undefined when it is missing or fails, which is logged once an isolate. */
async function outcomeOf(
  env: Bindings,
  limiter: Limiter,
  key: string,
): Promise<RateLimitOutcome | undefined> {
  try {
    const outcome = await env[limiter]?.limit({ key })
    if (outcome) return outcome
  } catch {
    // As if it were missing.
  }
  const missing = missingIn(env)
  if (!missing.has(limiter)) log('error', { event: 'rate_limit_missing', binding: limiter })
  missing.add(limiter)
  return undefined
}

/**
 * 429 with the fields of draft-ietf-httpapi-ratelimit-headers. The binding does not say when its window ends, so the
 * wait is a whole window: never too short.
 */
export function rateLimited({ name, quota, window }: Policy): Problem {
  return new Problem('rate_limited', {
    headers: {
      'Retry-After': String(window),
      'RateLimit-Policy': `"${name}";q=${quota};w=${window}`,
      RateLimit: `"${name}";r=0;t=${window}`,
    },
  })
}
