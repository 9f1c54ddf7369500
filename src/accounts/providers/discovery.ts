import * as oauth from 'oauth4webapi'
import { GITHUB, type Provider } from '../../provider.ts'

/** How long what a provider says of itself is kept, in milliseconds. */
const MAX_AGE = 10 * 60_000
/** How long a request to a provider may take, in milliseconds. */
const DEADLINE = 5_000

/** Where GitHub's OAuth is, which publishes no configuration. */
const github: oauth.AuthorizationServer = {
  issuer: GITHUB,
  authorization_endpoint: `${GITHUB}/login/oauth/authorize`,
  token_endpoint: `${GITHUB}/login/oauth/access_token`,
  token_endpoint_auth_methods_supported: ['client_secret_post'],
}

const known = new Map<string, { server: oauth.AuthorizationServer; at: number }>()

/** How this deployment asks a provider: within a deadline, and in development by plain http on loopback. */
export function requestOptions({ issuer }: Provider) {
  return {
    signal: AbortSignal.timeout(DEADLINE),
    [oauth.allowInsecureRequests]: issuer.startsWith('http:'),
  }
}

/**
 * What a provider says of itself (OpenID Connect Discovery §4), kept for ten minutes an isolate and for longer while it
 * cannot be asked. Throws what oauth4webapi or fetch does.
 */
export async function serverOf(provider: Provider): Promise<oauth.AuthorizationServer> {
  if (provider.issuer === GITHUB) return github
  const kept = known.get(provider.issuer)
  if (kept && Date.now() - kept.at < MAX_AGE) return kept.server
  try {
    const issuer = new URL(provider.issuer)
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...requestOptions(provider) })
    const server = await oauth.processDiscoveryResponse(issuer, response)
    known.set(provider.issuer, { server, at: Date.now() })
    return server
  } catch (error) {
    if (kept) return kept.server
    throw error
  }
}
