import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { Answer, Client, User } from './client.ts'
import { expectStatus, parsedAs } from './expect.ts'
import { claimsOf } from './identity.ts'

/** A throw-away account, logged in. */
export interface Account extends User {
  email: string
  password: string
  refreshToken: string
}

/** What a login or a refresh answers with (contract §4). */
export const tokens = z.object({
  access_token: z.string(),
  token_type: z.literal('bearer'),
  expires_in: z.number().positive(),
  refresh_token: z.string(),
})

/** What is told of an account. */
export const profile = z.object({
  id: z.string(),
  email: z.string(),
  role: z.string(),
  created_at: z.string(),
})

/** An address and a password of nobody's. */
export function newCredentials(): { email: string; password: string } {
  return { email: `verify-${randomUUID()}@example.com`, password: `verify ${randomUUID()}` }
}

/** Sends JSON to an account route. */
export function auth(
  client: Client,
  method: string,
  path: string,
  body?: unknown,
  as?: User,
): Promise<Answer> {
  return client.send({ method, path: `/api/auth${path}`, body, as })
}

/** Registers a throw-away account and logs in. Whatever happens then, `made` holds it for erasing. */
export async function newAccount(client: Client, label: string, made: Account[]): Promise<Account> {
  const credentials = newCredentials()
  const registered = expectStatus(await auth(client, 'POST', '/register', credentials), 201)
  const { id } = parsedAs(profile, registered, 'an account')
  const account = { ...credentials, label, id, token: '', refreshToken: '' }
  made.push(account)
  return Object.assign(account, await login(client, account))
}

/** Logs in. */
export async function login(
  client: Client,
  { email, password }: Pick<Account, 'email' | 'password'>,
): Promise<Pick<Account, 'token' | 'refreshToken'>> {
  const answer = expectStatus(await auth(client, 'POST', '/login', { email, password }), 200)
  return pairOf(answer)
}

/** The tokens of an answer. */
export function pairOf(answer: Answer): Pick<Account, 'token' | 'refreshToken'> {
  const { access_token, refresh_token } = parsedAs(
    tokens,
    answer,
    'access_token, token_type, expires_in, refresh_token',
  )
  return { token: access_token, refreshToken: refresh_token }
}

/** Erases an account and all that it owns, logging in again when it has to. Resolves to whether it is gone. */
export async function erase(client: Client, account: Account): Promise<boolean> {
  const remove = () => client.send({ method: 'DELETE', path: '/api/me', as: account })
  if (account.token && (await remove()).status === 204) return true
  const again = await auth(client, 'POST', '/login', { email: account.email, password: account.password })
  if (again.status !== 200) return again.status === 401
  Object.assign(account, pairOf(again))
  return (await remove()).status === 204
}

/** The user of a token from elsewhere. Throws when it is no JWT with a `sub`. */
export function userOf(token: string, label: string): User {
  const { sub } = claimsOf(token)
  if (typeof sub !== 'string') throw new Error('it has no sub')
  return { label, id: sub, token }
}

const created = z.object({ results: z.array(z.looseObject({ status: z.number(), id: z.string() })) })

/** The paths of the rows that an answer says were made. */
export function madeBy({ sent, status, headers, body }: Answer): string[] {
  if (sent.method !== 'POST' || !sent.as) return []
  const location = headers.get('Location')
  if (status === 201 && location) return [location]
  const path = sent.path.replace(/\/bulk$/, '')
  if (status !== 200 || path === sent.path) return []
  const { data } = created.safeParse(body)
  return (data?.results ?? []).filter((one) => one.status === 201).map(({ id }) => `${path}/${id}`)
}
