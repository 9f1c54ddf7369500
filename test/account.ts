import { env } from 'cloudflare:workers'
import { hashPassword } from '../src/accounts/passwords.ts'
import { call, newId, type Answer, type Json } from './client.ts'

/** The password of every {@link newAccount}. */
export const PASSWORD = 'a password that nobody has'

/** A new e-mail. */
export function newEmail(): string {
  return `user-${crypto.randomUUID()}@example.com`
}

/** Logs in; the answer is to be looked at. */
export function logIn(
  email: string,
  password = PASSWORD,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return call('POST', '/api/auth/login', { body: { email, password }, headers })
}

/** Sends a refresh token. */
export function refresh(refresh_token: string): Promise<Answer> {
  return call('POST', '/api/auth/refresh', { body: { refresh_token } })
}

/** One login of an account. `request` calls with its access token. */
export interface Login {
  access: string
  refreshToken: string
  request: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
}

/** Logs in and holds the tokens. Throws when that fails. */
export async function newLogin(email: string, password = PASSWORD): Promise<Login> {
  const { status, body } = await logIn(email, password)
  if (status !== 200) throw new Error(`login failed with ${status}`)
  return loginWith(body)
}

/** A login by the tokens of an answer. */
export function loginWith({ access_token, refresh_token }: Json): Login {
  return {
    access: access_token,
    refreshToken: refresh_token,
    request: (method, path, body, headers) =>
      call(method, path, { body, headers: { Authorization: `Bearer ${access_token}`, ...headers } }),
  }
}

/** A new user with an account, logged in once. */
export async function newAccount() {
  const email = newEmail()
  const id = await addAccount(email)
  return { id, email, ...(await newLogin(email)) }
}

/** Hashes by password: each takes a fifth of a second, and what registering does is not what most tests are about. */
const hashes = new Map<string, string>()

/** Adds an account as registering leaves it. Returns its id. */
export async function addAccount(email: string, password = PASSWORD): Promise<string> {
  const hash = hashes.get(password) ?? (await hashPassword(password))
  hashes.set(password, hash)
  const id = newId()
  await env.DB.prepare(
    `INSERT INTO users (id, email, password_hash, role, created_at, updated_at)
      VALUES (?, ?, ?, 'user', ${CLOCK}, ${CLOCK})`,
  )
    .bind(id, email, hash)
    .run()
  return id
}

/** The time, as the engine writes it. */
const CLOCK = `strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`
