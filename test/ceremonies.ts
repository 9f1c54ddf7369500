import { createPasskey, ORIGIN, usePasskey } from './authenticator.ts'
import { CLIENT_ID, CLIENT_SECRET, codeFor } from './openid-provider.ts'
import type { Ceremonies } from '../openapi/drive.ts'

const GITHUB = { id: 'github', name: 'GitHub', issuer: 'https://github.com', client_id: CLIENT_ID }

/** The settings of a deployment with every way in, for {@link ceremonies}. */
export const WAYS_IN = {
  GUESTS: 'on',
  CORS_ORIGINS: ORIGIN,
  OIDC_PROVIDERS: JSON.stringify([GITHUB]),
  OIDC_GITHUB_SECRET: CLIENT_SECRET,
}

/** An authenticator made of software, and somebody who signs in at GitHub, for what drives the API. */
export const ceremonies: Ceremonies = {
  newPasskey(options) {
    const { passkey, answer } = createPasskey(options)
    return { answer, use: (asked) => usePasskey(passkey, asked) }
  },
  signIn(authorization) {
    const { searchParams } = new URL(authorization)
    const said = (name: string) => searchParams.get(name) ?? ''
    const [email, sub] = [`${crypto.randomUUID()}@example.com`, String(Math.ceil(Math.random() * 2 ** 40))]
    const code = codeFor({
      nonce: '',
      challenge: said('code_challenge'),
      redirect_uri: said('redirect_uri'),
      claims: { sub, emails: [{ email, primary: true, verified: true }] },
    })
    return new URLSearchParams({ code, state: said('state') })
  },
}
