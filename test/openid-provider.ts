import { createHash, generateKeyPairSync } from 'node:crypto'
import { exportJWK, SignJWT, type JWTPayload } from 'jose'

/** What the provider is to do with a code: it knows no users, so a code is what it will say. */
export interface Script {
  /** Of the authorization request, as a provider remembers them. */
  nonce: string
  challenge: string
  redirect_uri: string
  /** Over those of an honest ID token; null leaves one out. */
  claims: Record<string, unknown>
  /** Signs with a key that it does not publish. */
  otherKey?: boolean
  /** Says no algorithm at all. */
  unsigned?: boolean
  /** What `/userinfo` answers. */
  userinfo?: Record<string, unknown>
  /** Fails in this place. */
  down?: 'token' | 'userinfo'
}

export const CLIENT_ID = 'freehold-tests'
export const CLIENT_SECRET = 'a secret of the tests, with : and %'
const HOSTS = new Set(['op.test', 'other-op.test', 'down-op.test', 'github.com', 'api.github.com'])

/** The code that makes the provider follow a script. */
export function codeFor(script: Script): string {
  return Buffer.from(JSON.stringify(script)).toString('base64url')
}

/**
 * OpenID Connect providers outside the Worker: https://op.test and https://other-op.test, and GitHub. They check what an
 * honest one has to (client, redirect_uri, PKCE), and lie as the code's script tells them.
 */
export function openIdProvider() {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const forged = generateKeyPairSync('rsa', { modulusLength: 2048 })

  async function token(request: Request, issuer: string): Promise<Response> {
    const form = new URLSearchParams(await request.text())
    const basic = atob(request.headers.get('Authorization')?.slice('Basic '.length) ?? '')
    // Each half is form-encoded (RFC 6749 §2.3.1).
    const [id, secret] = basic.split(':').map((half) => new URLSearchParams(`_=${half}`).get('_'))
    const known =
      (id === CLIENT_ID && secret === CLIENT_SECRET) || form.get('client_secret') === CLIENT_SECRET
    const script: Script = JSON.parse(Buffer.from(form.get('code') ?? '', 'base64url').toString())
    if (script.down === 'token') return new Response('down', { status: 500 })
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (!known || script.challenge !== challenge || script.redirect_uri !== form.get('redirect_uri')) {
      return Response.json({ error: 'invalid_grant' }, { status: 400 })
    }
    const access_token = form.get('code') ?? ''
    if (issuer === 'https://github.com')
      return Response.json({ access_token, token_type: 'bearer', scope: 'a,b' })
    const now = Math.floor(Date.now() / 1000)
    const said = {
      iss: issuer,
      aud: CLIENT_ID,
      nonce: script.nonce,
      iat: now,
      exp: now + 60,
      ...script.claims,
    }
    const claims: JWTPayload = Object.fromEntries(Object.entries(said).filter(([, claim]) => claim !== null))
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
    const id_token = script.unsigned
      ? `${encode({ alg: 'none' })}.${encode(claims)}.`
      : await new SignJWT(claims)
          .setProtectedHeader({ alg: 'RS256', kid: 'one' })
          .sign(script.otherKey ? forged.privateKey : pair.privateKey)
    return Response.json({ access_token, token_type: 'Bearer', expires_in: 60, id_token })
  }

  function scriptOf(request: Request): Script {
    const code = request.headers.get('Authorization')?.replace(/^bearer /i, '') ?? ''
    return JSON.parse(Buffer.from(code, 'base64url').toString())
  }

  return {
    isAt: (url: URL) => HOSTS.has(url.hostname),
    async serve(request: Request): Promise<Response> {
      const { origin, pathname, hostname } = new URL(request.url)
      if (hostname === 'down-op.test') return new Response('down', { status: 503 })
      switch (pathname) {
        case '/.well-known/openid-configuration':
          return Response.json({
            issuer: origin,
            authorization_endpoint: `${origin}/authorize`,
            token_endpoint: `${origin}/token`,
            userinfo_endpoint: `${origin}/userinfo`,
            jwks_uri: `${origin}/keys`,
            authorization_response_iss_parameter_supported: origin === 'https://other-op.test',
          })
        case '/keys':
          return Response.json({
            keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }],
          })
        case '/token':
        case '/login/oauth/access_token':
          return token(request, origin)
        case '/userinfo': {
          const { userinfo = {}, claims, down } = scriptOf(request)
          if (down === 'userinfo') return new Response('down', { status: 500 })
          return Response.json({ sub: claims.sub, ...userinfo })
        }
        case '/user':
          return Response.json({ id: Number(scriptOf(request).claims.sub), login: 'octocat' })
        case '/user/emails':
          return Response.json(scriptOf(request).claims.emails)
        default:
          return new Response('not found', { status: 404 })
      }
    },
  }
}
