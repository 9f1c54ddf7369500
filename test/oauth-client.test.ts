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

test('every problem of a form says what OAuth 2.0 calls it', async () => {
  const { email, refreshToken } = await newAccount()
  const form = async (path: string, fields: Record<string, string>) => {
    const { status, body } = await call('POST', `/api/auth/${path}`, {
      body: new URLSearchParams(fields).toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    return [status, body.error]
  }
  const sent = { grant_type: 'password', username: email, password: PASSWORD }
  expect(await form('login', { ...sent, password: 'wrong' })).toEqual([401, 'invalid_grant'])
  expect(await form('login', { ...sent, grant_type: 'implicit' })).toEqual([400, 'unsupported_grant_type'])
  expect(await form('login', { grant_type: 'password', username: email })).toEqual([400, 'invalid_request'])
  expect(await form('refresh', sent)).toEqual([400, 'unsupported_grant_type'])
  expect(await form('refresh', { grant_type: 'refresh_token' })).toEqual([400, 'invalid_request'])
  expect(await form('refresh', { refresh_token: 'made up' })).toEqual([401, 'invalid_grant'])
  const refused = { grant_type: 'refresh_token', refresh_token: 'made up' }
  expect(await form('login', refused)).toEqual([401, 'invalid_grant'])
  const json = await call('POST', '/api/auth/refresh', { body: { refresh_token: 'made up' } })
  expect([json.status, 'error' in json.body]).toEqual([401, false])
  expect(await form('refresh', { ...refused, refresh_token: refreshToken })).toEqual([200, undefined])
})

test('it refreshes at the endpoint it logged in at, or at that of refreshes', async () => {
  const { id, refreshToken } = await newAccount()
  let token = refreshToken
  for (const path of ['login', 'refresh']) {
    const endpoint = { ...server, token_endpoint: `https://api.test/api/auth/${path}` }
    const response = await oauth.refreshTokenGrantRequest(endpoint, client, oauth.None(), token, options)
    const tokens = await oauth.processRefreshTokenResponse(endpoint, client, response)
    token = tokens.refresh_token ?? ''
    const headers = { Authorization: `Bearer ${tokens.access_token}` }
    expect((await call('GET', '/api/auth/me', { headers })).body.id).toBe(id)
  }
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
