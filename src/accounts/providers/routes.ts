import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import * as oauth from 'oauth4webapi'
import { v7 as uuidv7 } from 'uuid'
import { circumstancesOf, record } from '../../auth/activity.ts'
import { admit, authenticate, identify } from '../../auth/authenticate.ts'
import { requireRecentLogin } from '../../auth/recent-login.ts'
import { sessionGuard } from '../../auth/session-guard.ts'
import { readConfig } from '../../config.ts'
import type { App } from '../../context.ts'
import { raise } from '../../d1/assertion.ts'
import { bind, OWNER, type BoundStatement } from '../../d1/statement.ts'
import { pageOf, pageQuery, pageValues } from '../../engine/page.ts'
import { rowId } from '../../engine/routes.ts'
import { bookmark } from '../../http/bookmark.ts'
import { limitAddress, limitUser } from '../../http/rate-limit.ts'
import { validJson, validQuery } from '../../http/validators.ts'
import { Routes } from '../../http/routes.ts'
import { log } from '../../log.ts'
import { Problem } from '../../problems.ts'
import { GITHUB, type ConfiguredProvider } from '../../provider.ts'
import { loginQuery, providerQuery, tokenBody } from '../bodies.ts'
import {
  addIdentityStatement,
  findIdentityStatement,
  hasIdentityAssertion,
  identitiesStatement,
  identityOf,
  joinByEmailStatement,
  newAccountStatement,
  recordAddedStatement,
  removeIdentityStatement,
  takeEmailStatement,
  useIdentityStatement,
} from '../identities.ts'
import { settle } from '../guests.ts'
import { refuseForeignLogin } from '../login.ts'
import { newSession } from '../new-session.ts'
import { requireAccounts } from '../require-accounts.ts'
import { newTicket, openTicket, spend } from '../tickets.ts'
import { accountOf, accountStatement } from '../users.ts'
import { notLastWayInAssertion } from '../ways-in.ts'
import { beginAttempt, endAttempt, type Attempt } from './attempt.ts'
import { serverOf } from './discovery.ts'
import { allowedReturn } from './return-to.ts'
import { userBehind, type ProviderUser } from './user.ts'

/** How long the code that a callback hands over may be exchanged, in seconds. */
const CODE_LIFETIME = 60
/** The only issuer known to send its callbacks by POST from its own site, when it is asked for an e-mail or a name. */
const APPLE = 'https://appleid.apple.com'

/** Why a sign-in came back without a code: the `error` in the fragment of `return_to`. */
type Refusal =
  | 'access_denied'
  | 'account_exists'
  | 'email_unverified'
  | 'identity_taken'
  | 'session_ended'
  | 'reauthentication_required'
  | 'provider_error'
  | 'provider_unavailable'

/** Signing in with a provider, and the identities of an account, below `/api/auth`. */
export const providerRoutes = new Routes()

providerRoutes.get('/providers', requireAccounts, (c) =>
  c.json({ providers: readConfig(c.env).providers.map(({ id, name }) => ({ id, name })) }),
)

/** Admits who asks with a session. A browser's stale cookie is no reason to keep it from signing in. */
const identifyIfAny = createMiddleware<App>(async function identifyIfAny(c, next) {
  const byHeader = c.req.header('Authorization') !== undefined
  // Another site may lead a browser here, and must not add its identity to the visitor's account.
  if (byHeader || c.req.header('Sec-Fetch-Site') !== 'cross-site') {
    const identity = await identify(c).catch((error: unknown) => {
      if (byHeader || !(error instanceof Problem)) throw error
      return undefined
    })
    if (identity?.sessionId !== undefined) {
      admit(c, identity)
      return requireRecentLogin(c, next)
    }
  }
  return next()
})

providerRoutes.get(
  '/login/:provider',
  requireAccounts,
  limitAddress('login'),
  validQuery(providerQuery),
  identifyIfAny,
  bookmark,
  async (c) => {
    const provider = providerIn(c)
    const { return_to, code_challenge } = c.req.valid('query')
    const back = allowedReturn(c, return_to)
    const link = await linkOf(c)
    if (typeof link === 'string') return c.redirect(withFragment(back, { error: link }))
    const attempt = await beginAttempt(c, provider.id, { return_to: back, challenge: code_challenge, link })
    try {
      const location = await authorizationUrl(c, provider, attempt)
      // A page that holds its tokens itself has to send them along, which no navigation does.
      if (c.req.header('Accept')?.includes('application/json')) return c.json({ location })
      return c.redirect(location)
    } catch (error) {
      return c.redirect(withFragment(back, { error: refusalOf(provider, error) }))
    }
  },
)

providerRoutes.get('/callback/:provider', requireAccounts, limitAddress('login'), bookmark, async (c) => {
  const provider = providerIn(c)
  const { searchParams } = new URL(c.req.url)
  const attempt = await endAttempt(c, provider.id, searchParams.get('state') ?? '')
  if (!attempt) throw new Problem('invalid_callback')
  return c.redirect(withFragment(attempt.return_to, await outcomeOf(c, provider, attempt, searchParams)))
})

// A form that another site posts comes without the attempt's cookie: the browser is sent on to where it has it.
providerRoutes.post('/callback/:provider', requireAccounts, limitAddress('login'), async (c) => {
  const provider = providerIn(c)
  const form = new URLSearchParams(new TextDecoder().decode(await c.req.arrayBuffer()))
  const sent = ['code', 'state', 'error', 'iss'].flatMap((name) => {
    const value = form.get(name)
    return value === null ? [] : [[name, value] as [string, string]]
  })
  return c.redirect(`${callbackUrl(c, provider)}?${new URLSearchParams(sent).toString()}`, 303)
})

providerRoutes.post(
  '/token',
  requireAccounts,
  limitAddress('login'),
  validQuery(loginQuery),
  refuseForeignLogin,
  validJson(tokenBody),
  bookmark,
  async (c) => {
    const { code, code_verifier } = c.req.valid('json')
    const [text = '', userId = '', id = ''] = code.split('.')
    const challenge = await oauth.calculatePKCECodeChallenge(code_verifier)
    const subject = [userId, id, challenge]
    const ticket = await openTicket(readConfig(c.env), 'login code', subject, text, CODE_LIFETIME)
    if (ticket === undefined) throw new Problem('invalid_code')
    const owner = { [OWNER]: userId, id }
    const session = await newSession(c, userId, 'login_provider', c.req.valid('query').cookie === 'true')
    const results = await c.get('database').batch([
      // It may have been removed within the minute.
      bind(hasIdentityAssertion, { ...owner, problem: raise('invalid_code') }),
      ...spend(ticket, 'invalid_code'),
      bind(useIdentityStatement, owner),
      ...session.statements,
      bind(accountStatement, owner),
    ])
    const account = results.at(-1)?.[0]
    if (!account) throw new Error('an identity without an account')
    return session.answer(accountOf(account).role)
  },
)

providerRoutes.get('/identities', authenticate, limitUser, validQuery(pageQuery), bookmark, async (c) => {
  const query = c.req.valid('query')
  const values = { [OWNER]: c.get('identity').userId, ...pageValues('identities', query) }
  const [rows = []] = await c.get('database').batch([bind(identitiesStatement, values)], { repeatable: true })
  return c.json(pageOf('identities', query.limit, rows, identityOf))
})

providerRoutes.delete('/identities/:id', authenticate, limitUser, bookmark, async (c) => {
  const { userId, sessionId } = c.get('identity')
  const values = { [OWNER]: userId, id: rowId(c) }
  await c
    .get('database')
    .batch([
      bind(hasIdentityAssertion, { ...values, problem: raise('row_not_found') }),
      bind(notLastWayInAssertion, { ...values, problem: raise('last_way_in') }),
      bind(removeIdentityStatement, values),
      record(c, 'identity_removed', userId, sessionId),
    ])
  return c.body(null, 204)
})

/** The provider of the path. Throws `not_found`. */
function providerIn(c: Context<App>): ConfiguredProvider {
  const provider = readConfig(c.env).providers.find(({ id }) => id === c.req.param('provider'))
  if (!provider) throw new Problem('not_found')
  return provider
}

/** Whose account gets the identity, by a session that lives; undefined for a login, or why the browser has to go back. */
async function linkOf(c: Context<App>): Promise<Attempt['link'] | Refusal> {
  const identity = c.get('identity')
  if (!identity?.sessionId) return undefined
  try {
    const look = bind(accountStatement, { [OWNER]: identity.userId })
    const [account = []] = await c.get('database').batch([look], { repeatable: true })
    return account.length ? { user: identity.userId, session: identity.sessionId } : undefined
  } catch (error) {
    if (c.req.header('Authorization') !== undefined || !(error instanceof Problem)) throw error
    if (error.type === 'session_ended') return undefined
    if (error.type === 'reauthentication_required') return error.type
    throw error
  }
}

async function authorizationUrl(
  c: Context<App>,
  provider: ConfiguredProvider,
  { state, nonce, verifier }: Attempt & { state: string },
): Promise<string> {
  const { authorization_endpoint } = await serverOf(provider)
  if (authorization_endpoint === undefined) throw new Error('a provider that authorizes nobody')
  const url = new URL(authorization_endpoint)
  const parameters = {
    client_id: provider.client_id,
    redirect_uri: callbackUrl(c, provider),
    response_type: 'code',
    scope: provider.scope,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...(provider.issuer !== GITHUB && { nonce }),
    ...(provider.issuer === APPLE && { response_mode: 'form_post' }),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** What goes back to the client: a code, or an error. */
async function outcomeOf(
  c: Context<App>,
  provider: ConfiguredProvider,
  attempt: Attempt & { ticket: string },
  callback: URLSearchParams,
): Promise<{ code: string } | { error: Refusal }> {
  let user: ProviderUser
  try {
    user = await userBehind(provider, callback, {
      state: callback.get('state') ?? '',
      nonce: attempt.nonce,
      verifier: attempt.verifier,
      redirectUri: callbackUrl(c, provider),
    })
  } catch (error) {
    return { error: refusalOf(provider, error) }
  }
  const found = await accountBehind(c, provider, attempt, user)
  if (typeof found === 'string') return { error: found }
  const subject = [found.userId, found.id, attempt.challenge]
  const ticket = await newTicket(readConfig(c.env), 'login code', subject)
  return { code: [ticket, found.userId, found.id].join('.') }
}

/**
 * The identity's account: the one that has it, the one that asked with a session, or a new one if the provider has
 * verified an e-mail that no account here has. One round trip.
 */
async function accountBehind(
  c: Context<App>,
  provider: ConfiguredProvider,
  { ticket, link }: Attempt & { ticket: string },
  { subject, verifiedEmail, label }: ProviderUser,
): Promise<{ userId: string; id: string } | Refusal> {
  const values = {
    [OWNER]: link?.user ?? uuidv7(),
    id: uuidv7(),
    issuer: provider.issuer,
    subject,
    provider: provider.id,
    label,
    email: verifiedEmail ?? null,
  }
  const statements: BoundStatement[] = []
  if (link) {
    statements.push(sessionGuard(link.user, link.session, false).statement)
  } else if (verifiedEmail !== undefined) {
    if (provider.trust_email) statements.push(bind(joinByEmailStatement, values))
    statements.push(bind(newAccountStatement, values))
  }
  statements.push(bind(addIdentityStatement, values))
  // A guest's account becomes an ordinary one.
  if (link) statements.push(bind(takeEmailStatement, values), settle(c, link.user))
  statements.push(
    bind(recordAddedStatement, { ...values, session: link?.session ?? null, ...circumstancesOf(c) }),
    bind(findIdentityStatement, values),
  )
  try {
    const results = await c.get('database').batch([...spend(ticket, 'invalid_callback'), ...statements])
    const identity = results.at(-1)?.[0]
    if (!identity) return verifiedEmail === undefined ? 'email_unverified' : 'account_exists'
    const userId = String(identity.user_id)
    if (link && link.user !== userId) return 'identity_taken'
    return { userId, id: String(identity.id) }
  } catch (error) {
    if (error instanceof Problem && error.type === 'session_ended') return 'session_ended'
    throw error
  }
}

/** Why a provider's answer is not taken. The log says which kind of fault it was, and nothing of what was sent. */
function refusalOf(provider: ConfiguredProvider, error: unknown): Refusal {
  if (error instanceof oauth.AuthorizationResponseError) {
    return error.error === 'access_denied' ? 'access_denied' : 'provider_error'
  }
  const unavailable =
    error instanceof Error && ['TimeoutError', 'TypeError', 'AbortError'].includes(error.name)
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  log('warn', {
    event: unavailable ? 'provider_unavailable' : 'provider_refused',
    provider: provider.id,
    error: code ?? (error instanceof Error ? error.name : 'unknown'),
  })
  return unavailable ? 'provider_unavailable' : 'provider_error'
}

function callbackUrl(c: Context<App>, provider: ConfiguredProvider): string {
  return `${new URL(c.req.url).origin}/api/auth/callback/${provider.id}`
}

/** A fragment reaches no server, and no log. */
function withFragment(url: string, values: { code: string } | { error: Refusal }): string {
  return `${url}#${new URLSearchParams(Object.entries(values)).toString()}`
}
