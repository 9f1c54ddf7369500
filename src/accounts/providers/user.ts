import * as oauth from 'oauth4webapi'
import * as z from 'zod/mini'
import { GITHUB, type ConfiguredProvider } from '../../provider.ts'
import { email } from '../email.ts'
import { requestOptions, serverOf } from './discovery.ts'

/** A user as a provider knows them. */
export interface ProviderUser {
  subject: string
  /** Normalised, and only when the provider says that it was verified. */
  verifiedEmail: string | undefined
  /** What tells its owner which it is. */
  label: string | null
}

/** What a callback has to fit. */
export interface ExpectedCallback {
  state: string
  nonce: string
  verifier: string
  redirectUri: string
}

/** How far a provider's clock may be off, in seconds. */
const LEEWAY = 30
const MAX_LABEL = 254

/**
 * Exchanges a callback's code for who signed in (OpenID Connect Core §3.1.3): issuer, audience, nonce, times and the
 * signature of the ID token must hold, by keys that the issuer publishes. Throws what oauth4webapi or fetch does.
 */
export async function userBehind(
  provider: ConfiguredProvider,
  callback: URLSearchParams,
  expected: ExpectedCallback,
): Promise<ProviderUser> {
  const server = await serverOf(provider)
  const client: oauth.Client = { client_id: provider.client_id, [oauth.clockTolerance]: LEEWAY }
  const options = requestOptions(provider)
  const parameters = oauth.validateAuthResponse(server, client, callback, expected.state)
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    authenticationFor(server, provider.secret),
    parameters,
    expected.redirectUri,
    expected.verifier,
    options,
  )
  if (provider.issuer === GITHUB) {
    const { access_token } = await oauth.processAuthorizationCodeResponse(server, client, response)
    return githubUser(access_token, options.signal)
  }
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
    expectedNonce: expected.nonce,
    requireIdToken: true,
  })
  await oauth.validateApplicationLevelSignature(server, response, options)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  if (!claims) throw new Error('an ID token without claims')
  // Many providers tell the e-mail only there.
  const more =
    claims.email === undefined && server.userinfo_endpoint !== undefined
      ? await oauth.processUserInfoResponse(
          server,
          client,
          claims.sub,
          await oauth.userInfoRequest(server, client, tokens.access_token, options),
        )
      : claims
  return {
    subject: claims.sub,
    verifiedEmail: isTrue(more.email_verified) ? emailIn(more.email) : undefined,
    label: labelOf(more.email, more.preferred_username, more.name),
  }
}

/** By HTTP Basic unless the provider takes the secret in the body alone (OpenID Connect Core §9). */
function authenticationFor(server: oauth.AuthorizationServer, secret: string): oauth.ClientAuth {
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  return methods.includes('client_secret_basic')
    ? oauth.ClientSecretBasic(secret)
    : oauth.ClientSecretPost(secret)
}

const githubAccount = z.lazy(() => z.object({ id: z.int().check(z.positive()), login: z.string() }))
const githubEmails = z.lazy(() =>
  z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() })),
)

/** GitHub has no ID token: who the access token belongs to is asked over TLS. */
async function githubUser(token: string, signal: AbortSignal): Promise<ProviderUser> {
  const ask = async (path: string): Promise<unknown> => {
    const headers = {
      Authorization: `Bearer ${token}`,
      Accept: 'application/vnd.github+json',
      'User-Agent': 'freehold',
    }
    const response = await fetch(`https://api.github.com${path}`, { headers, signal, redirect: 'manual' })
    if (!response.ok) throw new Error('GitHub refused')
    return response.json()
  }
  const { id, login } = githubAccount.parse(await ask('/user'))
  const emails = githubEmails.parse(await ask('/user/emails'))
  const primary = emails.find((each) => each.primary && each.verified)
  return { subject: String(id), verifiedEmail: emailIn(primary?.email), label: labelOf(login) }
}

function emailIn(claim: unknown): string | undefined {
  return email().safeParse(claim).data
}

function labelOf(...claims: readonly unknown[]): string | null {
  const text = claims.find((claim) => typeof claim === 'string' && claim !== '')
  return typeof text === 'string' ? text.slice(0, MAX_LABEL).toWellFormed() : null
}

/** Apple writes a boolean as a text. */
function isTrue(claim: unknown): boolean {
  return claim === true || claim === 'true'
}
