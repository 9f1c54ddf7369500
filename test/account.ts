import { call, type Answer, type Json } from './client.ts'

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

/** A new user, registered and logged in once. */
export async function newAccount() {
  const email = newEmail()
  const { status, body } = await call('POST', '/api/auth/register', { body: { email, password: PASSWORD } })
  if (status !== 201) throw new Error(`registration failed with ${status}`)
  return { id: String(body.id), email, ...(await newLogin(email)) }
}
