import { isSame, subjectOf, type Credentials, type Pass } from './credentials.ts'
import { segment } from './paths.ts'
import { OtherUserError, ProblemError } from './problems.ts'
import type { components } from './schema.ts'
import { mutex, parse, type KeyValueStorage } from './storage.ts'
import type { PasskeyLogin, Passkeys } from './ways-in.ts'

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
  /** Signs in: by e-mail and password, or in one of its other ways. */
  login: Login
  /** The passkeys of the account, and accounts made by one. */
  passkeys: Passkeys
  /** The providers that sign in to the account; `login.add` adds one. */
  identities: Identities
  /** Ends this session, or all of the user's. It forgets the tokens even if that fails. */
  logout(options?: { all?: boolean }): Promise<void>
  /** Whether there is a session to go on with; asks nobody. Not known of cookies: use `me`. */
  signedIn(): Promise<boolean>
  me(): Promise<Account>
  /** Ends every other session. */
  changePassword(body: Schemas['PasswordChange']): Promise<void>
  /** Mails a link to set a new password, if the address has an account: `APP_URL#reset=<token>`. */
  forgot(email: string): Promise<void>
  /** Sets a new password by the token of that link; it does not sign in. Throws `invalid_token_link`. */
  reset(body: Schemas['PasswordReset']): Promise<void>
  /** Mails the account's own address a link to verify it again: `APP_URL#verify=<token>`. */
  sendVerification(): Promise<void>
  /** Verifies an address by the token of a link, signed in or not. Throws `invalid_token_link`. */
  verify(token: string): Promise<void>
  /** Asks for another address; nothing changes before it is verified. Throws `reauthentication_required`. */
  changeEmail(body: Schemas['EmailChange']): Promise<void>
  /** What happened to the account in the last 90 days, newest first, a page at a time. */
  activity(cursor?: string): Promise<Schemas['ActivityList']>
  sessions(): Promise<Schemas['SessionList']>
  endSession(id: string): Promise<void>
}

/** The identities at providers that sign in to an account. */
export interface Identities {
  list(): Promise<Schemas['Identity'][]>
  /** Throws `last_way_in`. */
  remove(id: string): Promise<void>
}

/** Signs in. */
export interface Login {
  (body: EmailAndPassword): Promise<void>
  /** By a passkey that the browser offers; nobody is named. Throws `passkey_refused`. */
  withPasskey(options?: PasskeyLogin): Promise<void>
  /** Who else signs users in here: what `with` takes, and their names for people. */
  providers(): Promise<{ id: string; name: string }[]>
  /** Sends the browser to a provider, which sends it back to `returnTo`: there call `finish`. */
  with(provider: string, options?: { returnTo?: string }): Promise<void>
  /** As `with`, for adding the provider to the account that is signed in. Needs a login of the last ten minutes. */
  add(provider: string, options?: { returnTo?: string }): Promise<void>
  /**
   * Ends what `with` or `add` began, if this page was come back to by it: resolves to whether it signed in. Throws a
   * `SignInError` when the provider, or the API, did not let that be.
   */
  finish(): Promise<boolean>
  /** Without an account: a guest, who becomes one by `register` or `passkeys.register`. */
  asGuest(): Promise<void>
}

/** Why a sign-in with a provider came back without one: `access_denied`, `account_exists`, `email_unverified`… */
export class SignInError extends Error {
  override name = 'SignInError'
}

/** Calls a path of `/api/auth`: with credentials, or `bare`. */
export interface AuthCall {
  <Result>(
    method: 'get' | 'post' | 'put' | 'patch' | 'delete',
    path: string,
    body?: object,
    bare?: boolean,
    headers?: Record<string, string>,
  ): Promise<Result>
}

/** What the tokens come as, and what is kept of them. */
export interface Tokens {
  access_token: string
  refresh_token: string
  expires_in: number
}
interface Kept extends Tokens {
  /** When to refresh, in milliseconds since 1970: before the access token expires. */
  renew_at: number
}

/** The account methods of a client. */
interface OwnAccounts extends Accounts, Credentials {
  /** The id of whoever is signed in: with cookies, who cannot be read, asked once. Throws as `me` does. */
  id(): Promise<string>
  /** Another user has signed in: what was known of the former one no longer holds. */
  replaced(): void
  /** Forgets the tokens. */
  forget(): Promise<void>
}

/** A page that signs in by password alone loads none of it. */
const waysIn = () => import('./ways-in.ts')

/** The API's own accounts: tokens in `storage`, or in cookies that only the browser sees. */
export function accounts(
  call: AuthCall,
  origin: string,
  key: string,
  storage: KeyValueStorage,
  cookies: boolean,
  onSignedOut?: () => void,
): OwnAccounts {
  const alone = mutex(key)
  let renewing: Promise<boolean> | undefined
  /** Whose cookies they are, once that was asked. */
  let known: string | undefined

  const read = async () => {
    const text = await storage.getItem(key)
    return text ? parse<Kept>(text) : undefined
  }
  const write = async (tokens: Tokens) => {
    known = undefined
    if (cookies) return
    await storage.setItem(key, JSON.stringify({ ...tokens, renew_at: Date.now() + tokens.expires_in * 900 }))
  }
  const forget = async () => {
    known = undefined
    await storage.removeItem(key)
  }
  const passOf = (token?: string): Pass => ({ token, user: cookies ? known : subjectOf(token) })

  async function refresh(refused: Pass): Promise<boolean> {
    const kept = await read()
    if (!cookies && !kept) return false
    // Another request, or tab, was here first. Whoever it signed in, this request is not theirs.
    if (kept && kept.access_token !== refused.token) return true
    try {
      const body = kept && { refresh_token: kept.refresh_token }
      const tokens = await call<Tokens>('post', '/refresh', body, true)
      // Meanwhile somebody may have signed out.
      if (kept && (await read())?.refresh_token !== kept.refresh_token) return false
      // With cookies it is still the same user, or the path refuses them.
      if (!cookies) await write(tokens)
      return true
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status >= 500 || error.status === 429) throw error
      await forget()
      // With cookies there may have been no session at all.
      if (error.type !== 'missing_credentials') onSignedOut?.()
      return false
    }
  }
  const refreshOnce = (refused: Pass) =>
    (renewing ??= alone(() => refresh(refused)).finally(() => (renewing = undefined)))

  const withCookies = (path: string) => (cookies ? `${path}?cookie=true` : path)
  const login: Login = Object.assign(
    async (body: EmailAndPassword) => write(await call('post', withCookies('/login'), body, true)),
    {
      async withPasskey(options: PasskeyLogin = {}) {
        const { usePasskey } = await waysIn()
        await write(await usePasskey(call, withCookies('/login/passkey'), options))
      },
      providers: async () =>
        (await call<Schemas['ProviderList']>('get', '/providers', undefined, true)).providers,
      async with(provider: string, { returnTo }: { returnTo?: string } = {}) {
        const { toProvider } = await waysIn()
        await toProvider(call, origin, provider, returnTo)
      },
      async add(provider: string, { returnTo }: { returnTo?: string } = {}) {
        const { toProvider } = await waysIn()
        await toProvider(call, origin, provider, returnTo, true)
      },
      async finish() {
        const back = (await waysIn()).fromProvider()
        if (back?.error !== undefined) throw new SignInError(back.error)
        if (!back?.body) return false
        await write(await call('post', withCookies('/token'), back.body, true))
        return true
      },
      asGuest: async () => write(await call('post', withCookies('/guest'), undefined, true)),
    },
  )

  async function me(): Promise<Account> {
    const account = await call<Account>('get', '/me')
    if (cookies) known = account.id
    return account
  }

  return {
    async pass() {
      const kept = await read()
      if (!kept || kept.renew_at > Date.now()) return passOf(kept?.access_token)
      await refreshOnce(passOf(kept.access_token))
      return passOf((await read())?.access_token)
    },
    async renew(refused) {
      if (!(await refreshOnce(refused))) return undefined
      const token = (await read())?.access_token
      // Cookies say nothing, so the server is asked whose they are now.
      const asked =
        cookies && refused.user !== undefined && (await call<Account>('get', '/me', undefined, true))
      const user = asked ? asked.id : subjectOf(token)
      if (isSame(user, refused)) return { token, user }
      known = undefined
      onSignedOut?.()
      throw new OtherUserError()
    },
    id: async () => known ?? (await me()).id,
    replaced() {
      if (known) onSignedOut?.()
      known = undefined
    },
    // Whoever is signed in may be a guest, whose account it completes.
    register: async (body) => call('post', '/register', body, !cookies && !(await read())),
    login,
    passkeys: {
      add: async (name) => (await waysIn()).passkeysOf(call).add(name),
      list: async () => (await waysIn()).passkeysOf(call).list(),
      rename: async (id, name) => (await waysIn()).passkeysOf(call).rename(id, name),
      remove: async (id) => (await waysIn()).passkeysOf(call).remove(id),
      register: async (email) => (await waysIn()).passkeysOf(call).register(email),
    },
    identities: {
      list: async () => (await call<Schemas['IdentityList']>('get', '/identities?limit=100')).identities,
      remove: (id) => call('delete', `/identities/${segment(id)}`),
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
    me,
    async changePassword(body) {
      // The session goes on with new tokens; by cookies the browser has them already.
      const tokens = await call<Tokens | undefined>('put', '/password', body)
      if (tokens?.refresh_token) await write(tokens)
    },
    forgot: (email) => call('post', '/password/forgot', { email }, true),
    reset: (body) => call('post', '/password/reset', body, true),
    sendVerification: () => call('post', '/email/verification'),
    verify: (token) => call('post', '/email/verify', { token }, true),
    changeEmail: (body) => call('put', '/email', body),
    activity: (cursor) =>
      call('get', cursor === undefined ? '/activity' : `/activity?cursor=${encodeURIComponent(cursor)}`),
    sessions: () => call('get', '/sessions'),
    endSession: async (id) => call('delete', `/sessions/${segment(id)}`),
    forget,
  }
}
