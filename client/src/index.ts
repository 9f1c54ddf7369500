import {
  createFinalURL,
  mergeHeaders,
  type FetchOptions,
  type FetchResponse,
  type ParseAs,
} from 'openapi-fetch'
import { accounts, type Accounts, type AuthCall } from './auth.ts'
import { newClock } from './clock.ts'
import { outside, type Pass, type TokenSource } from './credentials.ts'
import { live, type Line, type Live, type LiveEvent, type Socket } from './live.ts'
import { pagesOf, type Call, type Given } from './pages.ts'
import { pathSerializer, querySerializer, segment } from './paths.ts'
import { OfflineError, OtherUserError, ProblemError, problemOf } from './problems.ts'
import { revisions } from './revisions.ts'
import { send, within, type Fetch, type Outgoing } from './retry.ts'
import type { paths } from './schema.ts'
import { memory, platform, type KeyValueStorage } from './storage.ts'
import type { LocalCopy, SyncOptions } from './sync.ts'
import { teams, type ApiCall, type Teams } from './teams.ts'

export {
  SignInError,
  type Account,
  type Accounts,
  type AccountSession,
  type EmailAndPassword,
  type Identities,
  type Login,
} from './auth.ts'
export type { TeamRole, Teams } from './teams.ts'
export type { Passkey, PasskeyLogin, Passkeys } from './ways-in.ts'
export type { Collections } from './collections.ts'
export type { TokenSource } from './credentials.ts'
export {
  OfflineError,
  OriginRefusedError,
  OtherUserError,
  ProblemError,
  StorageError,
  type FieldError,
  type ProblemType,
} from './problems.ts'
export type { LiveEvent, Socket } from './live.ts'
export type { Fetch } from './retry.ts'
export type { components, paths } from './schema.ts'
export type { KeyValueStorage } from './storage.ts'
export { memoryStore, type CopyStore, type StoredRecord } from './store.ts'
export type {
  Change,
  Collection,
  Conflict,
  LocalCopy,
  Refusal,
  QueryOf,
  Row,
  Status,
  SyncOptions,
} from './sync.ts'

/** How to reach an API, and as whom. */
export interface ClientOptions {
  /** Where the deployment is: `https://api.example.com`; by default where the page came from. */
  baseUrl?: string
  /** Your own identity provider's access token, or what gets it. Without, the API's own accounts: `login` and so on. */
  token?: TokenSource
  /** Keeps tokens in HttpOnly cookies instead of `storage`. */
  cookies?: boolean
  /** Where the tokens of `login` are kept; by default in memory. */
  storage?: KeyValueStorage
  /** Called when the session has ended: sign in again. */
  onSignedOut?: () => void
  /** Whose rows, for an admin; by default the caller's own. */
  userId?: string
  /** How many times a request that can be sent again safely is; 3 by default. */
  retries?: number
  /** The first wait before that, in milliseconds, doubled each time and random below; 500 by default. */
  backoff?: number
  /** How long one try may take until it is given up, in milliseconds; 30 000 by default. */
  timeout?: number
  fetch?: Fetch
  /** Opens a WebSocket; by default the runtime's own, and without one a copy asks every few seconds. */
  webSocket?: (url: string, protocols: string[]) => Socket | Promise<Socket>
}

type HttpMethod = 'get' | 'post' | 'put' | 'patch' | 'delete'

type PathsWith<Name extends HttpMethod> = {
  [Path in keyof paths]: paths[Path] extends Record<Name, object> ? Path : never
}[keyof paths]

type Operation<Path extends keyof paths, Name extends HttpMethod> = NonNullable<
  paths[Path][Name & keyof paths[Path]]
>

/** What openapi-fetch lets a request choose and this client does not. */
type Fixed = 'baseUrl' | 'fetch' | 'middleware' | 'querySerializer' | 'bodySerializer' | 'pathSerializer'

/** What a request takes, openapi-fetch's own: `params`, `body`, `headers`, `signal`… */
type Init<Of, As> = Omit<FetchOptions<Of>, 'parseAs' | Fixed> & { parseAs?: As }
type Arguments<Of, As> = Partial<Init<Of, As>> extends Init<Of, As> ? [Init<Of, As>?] : [Init<Of, As>]
type Data<Of extends Record<string | number, unknown>, As> = NonNullable<
  FetchResponse<Of, { parseAs: As }, `${string}/${string}`>['data']
>

/** Calls an operation. Resolves to what it answers with; throws `ProblemError` or `OfflineError`. */
export type Method<Name extends HttpMethod> = <Path extends PathsWith<Name>, As extends ParseAs = 'json'>(
  path: Path,
  ...init: Arguments<Operation<Path, Name>, As>
) => Promise<Data<Operation<Path, Name>, As>>

type RowIn<Path extends ListPath> = Rows<Data<Operation<Path, 'get'>, 'json'>>
type Rows<Page> = Extract<Page[keyof Page], readonly object[]>[number]
type ListPath = {
  [Path in PathsWith<'get'>]: 'next_cursor' extends keyof Data<Operation<Path, 'get'>, 'json'> ? Path : never
}[PathsWith<'get'>]

/** The rows of one owner. Paths are those of the API after `/api/{user_id}`. */
export interface OwnerClient {
  get: Method<'get'>
  post: Method<'post'>
  put: Method<'put'>
  patch: Method<'patch'>
  delete: Method<'delete'>
  /** Every row of a list, page by page as it is asked for. */
  list<Path extends ListPath>(
    path: Path,
    ...init: Arguments<Operation<Path, 'get'>, 'json'>
  ): AsyncGenerator<RowIn<Path>, void>
  /** A local copy of everything the owner has, that can be written to offline. */
  sync(options?: SyncOptions): Promise<LocalCopy>
  /**
   * Tells a listener at once that something was written, by whomever; the connection comes back by itself. A copy that is
   * started needs none of this. Returns what ends it.
   */
  events(listener: (event: LiveEvent) => void): () => void
}

/** A client of one user's rows. */
export interface Client extends Accounts, OwnerClient {
  /** Erases the user's account and every row it owns, at once and for good. */
  erase(): Promise<void>
  /** The caller's teams. */
  teams: Teams
  /** The rows of another owner: a team, by its id, or for an admin a user. The same object for the same id. */
  owner(id: string): OwnerClient
}

/** Makes a {@link Client}. */
export function createClient({
  baseUrl = platform.location?.origin ?? '',
  token,
  cookies = false,
  storage = memory(),
  onSignedOut,
  userId,
  retries = 3,
  backoff = 500,
  timeout = 30_000,
  fetch = (ready) => globalThis.fetch(ready),
  webSocket = (url, protocols) => {
    if (!platform.WebSocket) throw new OfflineError('No WebSocket')
    return new platform.WebSocket(url, protocols)
  },
}: ClientOptions = {}): Client {
  const origin = baseUrl.replace(/\/$/, '')
  const seen = revisions()
  const clock = newClock()
  const retrying = { fetch, retries, backoff, timeout, clock }
  const connections = new Set<Live>()
  const owners = new Map<string, OwnerClient>()
  let bookmark = ''

  const own = accounts(callAuth, origin, `freehold:${origin}`, storage, cookies, onSignedOut)
  const credentials = token === undefined ? own : outside(token)

  /** Sends a request and reads the answer. */
  async function exchange(
    deliver: (request: Outgoing) => Promise<Response>,
    method: HttpMethod,
    path: string,
    { params = {}, body, headers, parseAs = 'json', ...init }: Given = {},
  ): Promise<unknown> {
    const sent = mergeHeaders(body && { 'Content-Type': 'application/json' }, headers, params.header)
    // It would get lost on the way, and the write be done unconditionally.
    if (sent.get('If-Match') === '') throw new TypeError('If-Match is empty')
    const response = await deliver({
      ...(cookies && { credentials: 'include' }),
      ...init,
      url: createFinalURL(path, { baseUrl: origin, params, querySerializer, pathSerializer }),
      method: method.toUpperCase(),
      headers: sent,
      body: body ? JSON.stringify(body) : null,
    })
    if (!response.ok) throw await problemOf(response)
    if (parseAs === 'stream') return response.body
    // Neither has a body: what was accepted (202) goes out by mail.
    const isEmpty = response.status === 204 || response.status === 202
    return isEmpty ? undefined : within(timeout, response[parseAs]())
  }

  async function sendSigned(request: Outgoing, pass: Pass): Promise<Response> {
    const { headers, method } = request
    const offer = (name: string, value: string | undefined) => {
      if (value && !headers.has(name)) headers.set(name, value)
    }
    // The API keeps no key of an invitation, so without one that is not sent again.
    const keeps = !/\/api\/(teams\/|invitations\b)/.test(request.url)
    if (method === 'POST' && keeps) offer('Idempotency-Key', crypto.randomUUID())
    offer('If-Match', seen.ifMatch(request))
    offer('x-d1-bookmark', bookmark)
    const sign = ({ token: access }: Pass) => {
      if (access) headers.set('Authorization', `Bearer ${access}`)
      return send(request, retrying)
    }
    let response = await sign(pass)
    // A wrong password that came along is no reason to send it again: it would count as two guesses.
    const isRefused =
      response.status === 401 && (await problemOf(response.clone())).type !== 'invalid_credentials'
    const renewed = isRefused && (await credentials.renew(pass))
    if (renewed) response = await sign(renewed)
    reached(response.headers.get('x-d1-bookmark'))
    if (response.ok) seen.forget(request)
    return response
  }

  /** Bookmarks sort as text, and the answers of parallel requests come in any order. */
  function reached(mark: string | null): void {
    if (mark && mark > bookmark) bookmark = mark
  }

  /** What signs in or out sends no access token. Refreshing again is safe: a lost answer is given again. */
  const sendOpen = (request: Outgoing) => send(request, retrying, /(refresh|logout)$/.test(request.url))
  const sendOwn = async (request: Outgoing) => sendSigned(request, await credentials.pass())

  function callAuth<Result>(...parameters: Parameters<AuthCall>): Promise<Result>
  function callAuth(...[method, path, body, bare, headers]: Parameters<AuthCall>): Promise<unknown> {
    return exchange(bare ? sendOpen : sendOwn, method, `/api/auth${path}`, { body, headers })
  }

  function callTeams<Result>(...parameters: Parameters<ApiCall>): Promise<Result>
  function callTeams(...[method, path, body]: Parameters<ApiCall>): Promise<unknown> {
    return exchange(sendOwn, method, `/api${path}`, { body })
  }

  /** Who is signed in, or only if that is `as`, and the path of an owner's rows, by default their own. */
  async function signed(owner?: string, as?: string): Promise<{ pass: Pass; path: string }> {
    const pass = await credentials.pass()
    const user = pass.user ?? as ?? (cookies ? await own.id() : 'me')
    if (as !== undefined && user !== as) throw new OtherUserError()
    return { pass, path: `/api/v1/${segment(owner ?? user)}` }
  }

  /** The rows of an owner, by default of whoever is signed in. */
  function rowsOf(owner?: string): OwnerClient & { call: Call } {
    /**
     * Sends a request for the rows of whoever is signed in, or only if that is `as`. The path names the user, never `me`:
     * whoever signs in meanwhile, in whichever tab, the request concerns the same rows or is refused.
     */
    function call<Result>(method: HttpMethod, path: string, given?: Given, as?: string): Promise<Result>
    async function call(method: HttpMethod, path: string, given?: Given, as?: string): Promise<unknown> {
      const { pass, path: above } = await signed(owner, as)
      const deliver = (request: Outgoing) => sendSigned(request, pass)
      try {
        const data = await exchange(deliver, method, above + path, given)
        seen.learn(data)
        return data
      } catch (error) {
        if (!(error instanceof ProblemError) || error.type !== 'not_your_path' || owner) throw error
        own.replaced()
        throw as === undefined ? error : new OtherUserError()
      }
    }

    function method<Name extends HttpMethod>(name: Name): Method<Name>
    function method(name: HttpMethod): unknown {
      return (path: string, given?: Given) => call(name, path, given)
    }

    function list<Path extends ListPath>(
      path: Path,
      ...init: Arguments<Operation<Path, 'get'>, 'json'>
    ): AsyncGenerator<RowIn<Path>, void>
    function list(path: string, given?: Given): AsyncGenerator<unknown, void> {
      return pagesOf(call, path, given)
    }

    /** Opens a socket as whoever is signed in, or only as `as`. */
    async function dial(as?: string): Promise<Line> {
      const { pass, path } = await signed(owner, as)
      if (!pass.token && !cookies) throw new OfflineError('Not signed in')
      const protocols = ['freehold', ...(pass.token ? [`bearer.${pass.token}`] : [])]
      const socket = await webSocket(`${origin.replace(/^http/, 'ws')}${path}/events`, protocols)
      return { socket, renew: async () => Boolean(await credentials.renew(pass)) }
    }

    function connect(listener: (event: LiveEvent) => void, as?: string): Live {
      const connection = live(
        () => dial(as),
        (event) => {
          if (event.type === 'changed') reached(event.bookmark)
          listener(event)
        },
      )
      connections.add(connection)
      return {
        ...connection,
        close() {
          connections.delete(connection)
          connection.close()
        },
      }
    }

    return {
      call,
      get: method('get'),
      post: method('post'),
      put: method('put'),
      patch: method('patch'),
      delete: method('delete'),
      list,
      events: (listener) => connect(listener).close,
      sync: async (options = {}) => {
        const user = options.user ?? (await credentials.pass()).user ?? (await own.id())
        const name = `freehold:${origin}:${owner ?? 'me'}:${user}`
        // A page that keeps no copy does not load what keeps one.
        const { localCopy } = await import('./sync.ts')
        return localCopy({
          call: (verb, path, given) => call(verb, path, given, user),
          connect: (listener) => connect(listener, user),
          clock,
          name,
          user,
          owner: owner ?? user,
          options,
        })
      },
    }
  }

  const { call, ...rows } = rowsOf(userId)
  return {
    ...own,
    ...rows,
    logout(options) {
      // Not one hint more, whether or not the server can be told.
      for (const each of connections) each.end()
      return own.logout(options)
    },
    async erase() {
      await call('delete', '')
      if (!userId) await own.forget()
    },
    teams: teams(callTeams),
    owner(id) {
      const { call: _, ...rowsOfOwner } = rowsOf(id)
      const known = owners.get(id) ?? rowsOfOwner
      owners.set(id, known)
      return known
    },
  }
}
