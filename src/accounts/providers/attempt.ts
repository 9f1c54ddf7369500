import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { base64url } from 'jose'
import * as z from 'zod/mini'
import { readConfig } from '../../config.ts'
import type { App } from '../../context.ts'
import { newTicket, openTicket } from '../tickets.ts'

/** How long a sign-in at the provider may take, in seconds. */
const LIFETIME = 600
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', prefix: 'host' } as const

/** What a sign-in remembers until its callback, in a cookie. */
export interface Attempt {
  nonce: string
  /** The verifier (RFC 7636 §4.1) between this deployment and the provider. */
  verifier: string
  return_to: string
  /** The challenge of the client, whose verifier is asked for in exchange for the code. */
  challenge: string
  /** Who asked with a session, and by which: then the identity is added to their account. */
  link?: { user: string; session: string } | undefined
}

const attempt: z.ZodMiniType<Attempt> = z.lazy(() =>
  z.object({
    nonce: z.string(),
    verifier: z.string(),
    return_to: z.string(),
    challenge: z.string(),
    link: z.optional(z.object({ user: z.string(), session: z.string() })),
  }),
)

/** Keeps an attempt in the browser, and resolves to its `state`: a ticket that only holds together with that cookie. */
export async function beginAttempt(
  c: Context<App>,
  provider: string,
  begun: Pick<Attempt, 'return_to' | 'challenge' | 'link'>,
): Promise<Attempt & { state: string }> {
  const kept: Attempt = { nonce: random(), verifier: random(), ...begun }
  const cookie = base64url.encode(JSON.stringify(kept))
  setCookie(c, cookieName(provider), cookie, { ...ATTRIBUTES, maxAge: LIFETIME })
  const state = await newTicket(readConfig(c.env), 'provider login', [provider, cookie])
  return { ...kept, state }
}

/** The attempt that a callback's `state` belongs to, with the ticket to spend; undefined when this browser began none. */
export async function endAttempt(
  c: Context<App>,
  provider: string,
  state: string,
): Promise<(Attempt & { ticket: string }) | undefined> {
  const cookie = getCookie(c, cookieName(provider), 'host')
  if (cookie === undefined) return undefined
  const ticket = await openTicket(readConfig(c.env), 'provider login', [provider, cookie], state, LIFETIME)
  // Any site can lead a browser here with a state of its own, which must not end what is under way.
  if (ticket === undefined) return undefined
  deleteCookie(c, cookieName(provider), ATTRIBUTES)
  // Its ticket says that this deployment wrote it.
  const kept = attempt.parse(JSON.parse(new TextDecoder().decode(base64url.decode(cookie))))
  return { ...kept, ticket }
}

/** One for each provider, so that several sign-ins can be under way and their number stays bounded. */
function cookieName(provider: string): string {
  return `login_${provider}`
}

function random(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(32)))
}
