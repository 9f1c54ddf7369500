import { exports } from 'cloudflare:workers'
import * as oauth from 'oauth4webapi'
import { expect, test } from 'vitest'
import { newAccount, PASSWORD } from './account.ts'
import { call, newAddress } from './client.ts'

// A client of the registry, as it comes: only where its requests go is ours.
const server = { issuer: 'https://api.test', token_endpoint: 'https://api.test/api/auth/login' }
const client = { client_id: 'an app' }
type RequestOptions = oauth.CustomFetchOptions<string, BodyInit | null | undefined>
const options = {
  [oauth.customFetch]: (url: string, { body = null, ...init }: RequestOptions) =>
    exports.default.fetch(url, { ...init, body }),
  headers: { 'CF-Connecting-IP': newAddress() },
}

const grant = async (username: string, password: string, auth = oauth.None()) =>
  oauth.genericTokenEndpointRequest(
    server,
    client,
    auth,
    'password',
    { username, password, scope: 'api' },
    options,
  )

test('a client for OAuth 2.0’s password grant logs in and uses its token', async () => {
  const { id, email } = await newAccount()
  for (const auth of [oauth.None(), oauth.ClientSecretPost('secret'), oauth.ClientSecretBasic('secret')]) {
    const tokens = await oauth.processGenericTokenEndpointResponse(
      server,
      client,
      await grant(email, PASSWORD, auth),
    )
    expect(tokens).toMatchObject({ token_type: 'bearer', expires_in: 900, refresh_token: expect.any(String) })
    const response = await oauth.protectedResourceRequest(
      tokens.access_token,
      'GET',
      new URL('https://api.test/api/auth/me'),
      new Headers(),
      null,
      options,
    )
    expect(await response.json()).toMatchObject({ id, email })
  }
})

test('it understands that a password is wrong', async () => {
  const { email } = await newAccount()
  const refused = await grant(email, 'not the password')
  await expect(oauth.processGenericTokenEndpointResponse(server, client, refused)).rejects.toThrow()
  expect(refused.status).toBe(401)
})

test('it understands the challenge to a bad token', async () => {
  const { access, request } = await newAccount()
  await request('POST', '/api/auth/logout')
  const url = new URL('https://api.test/api/me/tasks')
  const asked = oauth.protectedResourceRequest(access, 'GET', url, new Headers(), null, options)
  await expect(asked).rejects.toMatchObject({
    cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }],
  })
  expect((await call('GET', '/api/me/tasks')).status).toBe(401)
})
