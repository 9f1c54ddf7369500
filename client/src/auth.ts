import { ProblemError } from './problems.ts'
import type { components } from './schema.ts'
import { mutex, parse, type KeyValueStorage } from './storage.ts'

/** How a request gets its credentials. */
export interface Credentials {
  /** The access token to send, if any. */
  token(): Promise<string | undefined>
  /** Gets another one than that which was refused; resolves to whether there is one to try. */
  renew(refused?: string): Promise<boolean>
  /** The user (`sub`) that the token names, if it can be read; asks nobody. */
  subject: () => Promise<string | undefined>
}

/** The caller's own access token, or what gets it: called for each request, and with the token that was refused. */
export type TokenSource = string | ((refused?: string) => string | Promise<string>)

type Schemas = components['schemas']

/** An account, as the API shows it. */
export type Account = Schemas['Account']

/** One place where the user is signed in. */
export type AccountSession = Schemas['Session']

/** What registers and signs in. */
export type EmailAndPassword = Schemas['Credentials']

/** Accounts kept by the API (contract: Identity). */
export interface Accounts {
  /** Creates an account; it does not sign in. Throws `email_taken`. */
  register(body: EmailAndPassword): Promise<Account>
  /** Signs in. */
  login(body: EmailAndPassword): Promise<void>
  /** Ends this session, or all of the user's. It forgets the tokens even if that fails. */
  logout(options?: { all?: boolean }): Promise<void>
  /** Whether there is a session to go on with; asks nobody. Not known of cookies: use `me`. */
  signedIn(): Promise<boolean>
  me(): Promise<Account>
  /** Ends every other session. */
  changePassword(body: Schemas['PasswordChange']): Promise<void>
  sessions(): Promise<Schemas['SessionList']>
  endSession(id: string): Promise<void>
}

/** Calls a path of `/api/auth`: with credentials, or `bare`. */
export interface AuthCall {
  <Result>(
    method: 'get' | 'post' | 'put' | 'delete',
    path: string,
    body?: object,
    bare?: boolean,
  ): Promise<Result>
}

/** What the tokens come as, and what is kept of them. */
interface Tokens {
  access_token: string
  refresh_token: string
  expires_in: number
}
interface Kept extends Tokens {
  /** When to refresh, in milliseconds since 1970: before the access token expires. */
  renew_at: number
}

/** Tokens from outside. */
export function outside(source: TokenSource): Credentials {
  const ask = typeof source === 'string' ? () => source : source
  let next: string | undefined
  return {
    async token() {
      const token = next ?? (await ask())
      next = undefined
      return token
    },
    async renew(refused) {
      next = await ask(refused)
      return next !== refused
    },
    subject: async () => subjectOf(await ask()),
  }
}

/** The API's own accounts: tokens in `storage`, or in cookies that only the browser sees. */
export function accounts(
  call: AuthCall,
  key: string,
  storage: KeyValueStorage,
  cookies: boolean,
  onSignedOut?: () => void,
): Accounts & Credentials & { forget: () => Promise<unknown> } {
  const alone = mutex(key)
  let renewing: Promise<boolean> | undefined

  const read = async () => {
    const text = await storage.getItem(key)
    return text ? parse<Kept>(text) : undefined
  }
  const write = async (tokens: Tokens) => {
    if (cookies) return
    await storage.setItem(key, JSON.stringify({ ...tokens, renew_at: Date.now() + tokens.expires_in * 900 }))
  }
  const forget = async () => storage.removeItem(key)

  async function refresh(refused?: string): Promise<boolean> {
    const kept = await read()
    if (!cookies && !kept) return false
    // Another request, or tab, was here first.
    if (kept && kept.access_token !== refused) return true
    try {
      const body = kept && { refresh_token: kept.refresh_token }
      const tokens = await call<Tokens>('post', '/refresh', body, true)
      // Meanwhile somebody may have signed out.
      if (kept && (await read())?.refresh_token !== kept.refresh_token) return false
      await write(tokens)
      return true
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status >= 500 || error.status === 429) throw error
      await forget()
      // With cookies there may have been no session at all.
      if (error.type !== 'missing_credentials') onSignedOut?.()
      return false
    }
  }
  const renew = (refused?: string) =>
    (renewing ??= alone(() => refresh(refused)).finally(() => (renewing = undefined)))

  return {
    async token() {
      const kept = await read()
      if (!kept || kept.renew_at > Date.now()) return kept?.access_token
      await renew(kept.access_token)
      return (await read())?.access_token
    },
    renew,
    subject: async () => subjectOf((await read())?.access_token),
    register: (body) => call('post', '/register', body, true),
    async login(body) {
      await write(await call('post', cookies ? '/login?cookie=true' : '/login', body, true))
    },
    async logout(options) {
      const kept = await read()
      const body = { refresh_token: kept?.refresh_token, ...options }
      try {
        await call('post', '/logout', body, true)
      } finally {
        await forget()
      }
    },
    signedIn: async () => Boolean(await read()),
    me: () => call('get', '/me'),
    changePassword: (body) => call('put', '/password', body),
    sessions: () => call('get', '/sessions'),
    endSession: (id) => call('delete', `/sessions/${id}`),
    forget,
  }
}

/** The `sub` of a JWT, for telling users apart, not for trusting. */
function subjectOf(token = ''): string | undefined {
  const [, payload = ''] = token.split('.')
  const { sub } = parse<{ sub?: string }>(atob(payload.replaceAll('-', '+').replaceAll('_', '/')) || '{}')
  return sub
}
