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

/** A new address and a password. */
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

/** Registers a throw-away account and logs in. */
export async function newAccount(client: Client, label: string): Promise<Account> {
  const credentials = newCredentials()
  const registered = expectStatus(await auth(client, 'POST', '/register', credentials), 201)
  const { id } = parsedAs(profile, registered, 'an account')
  return { ...credentials, label, id, ...(await login(client, credentials)) }
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

/** What is known of an account that was made, for erasing it. */
export interface Registered {
  email: string
  passwords: string[]
  token: string
}

const credentials = z.object({ email: z.string(), password: z.string() })
const newPassword = z.object({ new_password: z.string() })

/** Notes what an answer says about the accounts that were made. */
export function noteAccounts(made: Map<string, Registered>, { sent, status, body }: Answer): void {
  const { data } = credentials.safeParse(sent.body)
  const email = data?.email.toLowerCase() ?? ''
  if (sent.path === '/api/auth/register' && status === 201 && data) {
    made.set(email, { email, passwords: [data.password], token: '' })
  }
  const known = made.get(email)
  const pair = sent.path === '/api/auth/login' && status === 200 ? tokens.safeParse(body).data : undefined
  if (known && pair) known.token = pair.access_token
  const changed = sent.path === '/api/auth/password' && status < 300
  const password = changed ? newPassword.safeParse(sent.body).data?.new_password : undefined
  if (password) for (const one of made.values()) one.passwords.push(password)
}

/** Erases an account and all that it owns. Resolves to whether it is gone. */
export async function erase(client: Client, { email, passwords, token }: Registered): Promise<boolean> {
  const remove = (as: User) => client.send({ method: 'DELETE', path: '/api/me', as })
  const user = { label: 'C', id: '', token }
  if (token && (await remove(user)).status === 204) return true
  for (const password of passwords) {
    const answer = await auth(client, 'POST', '/login', { email, password })
    if (answer.status === 200) return (await remove({ ...user, ...pairOf(answer) })).status === 204
    if (answer.status !== 401) return false
  }
  return true
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
