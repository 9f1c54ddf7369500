import { createHash } from 'node:crypto'
import type { LinkPurpose } from './mailbox.ts'
import { v7 as uuidv7 } from 'uuid'
import * as z from 'zod'
import { encodeOpaque } from '../src/engine/cursor.ts'
import type { Json } from './json.ts'
import { operationsOf, type Operation } from './operations.ts'
import { neededBy, sample, type Given } from './sample.ts'

/** A request to a deployment. */
export interface Sent {
  method: string
  /** With its query string. */
  path: string
  headers: Record<string, string>
  body?: string
}

/** An answer. */
export interface Got {
  status: number
  headers: Headers
  text: string
}

/** A request that an operation describes, or should have refused, and its answer. */
export interface Exchange {
  operation: Operation
  request: Sent
  response: Got
}

/** What no document can say: how a browser's authenticator answers, and how a user signs in at a provider. */
export interface Ceremonies {
  /** Makes a passkey for the options of a registration; `use` answers those of a login. */
  newPasskey: (options: Json) => { answer: Json; use: (options: Json) => Json }
  /** What the provider sends the browser back with, once a new user has signed in at the address it was sent to. */
  signIn: (authorization: string) => URLSearchParams
}

/** A deployment to drive: how to reach it, and an access token of a new user, or of an administrator. */
export interface Deployment {
  send: (request: Sent) => Promise<Got>
  newToken: (role?: 'admin') => Promise<string>
  /** Makes an account in another way than by registering, which takes its time. */
  addAccount?: (email: string, password: string) => Promise<unknown>
  /** The token of the newest mail of this kind to an address. */
  mailed: (purpose: LinkPurpose, address: string) => Promise<string>
  ceremonies: Ceremonies
}

/** What no operation can be made to answer from outside: its own faults, those of what it is built on, and too many requests. */
const OUT_OF_REACH: ReadonlySet<number> = new Set([429, 500, 503, 504])

/**
 * Whether a client can bring about an answer, and read it to its end. Only a deployment that keeps no accounts has no
 * `/api/auth`; and live changes are endless, or switched off.
 */
export function isInReach({ path }: Operation, status: number): boolean {
  if (path.endsWith('/events')) return [401, 403, 406].includes(status)
  // Only a token without a session has nothing to renew.
  if (path === '/api/auth/password' && status === 204) return false
  // An authenticator makes no credential twice; and who is driven here has a password.
  if (/\/(passkeys|identities)(\/{id})?$/.test(path) && status === 409) return false
  // That is a guest's cookie from elsewhere, and a login of more than ten minutes ago.
  if (/^\/api\/auth\/(register|login\/{provider})/.test(path) && status === 403) return false
  // Nobody here is in five hundred teams.
  if (path === '/api/teams' && status === 409) return false
  return (
    !OUT_OF_REACH.has(status) && !(status === 404 && path.startsWith('/api/auth/') && !path.includes('{'))
  )
}

/** One visit to an operation: a new user, who has the rows that its path names. */
interface Visit {
  path: string
  headers: Record<string, string>
  given: Given
}

/** What is used by the token of a mail. */
const MAILED: ReadonlyMap<string, LinkPurpose> = new Map([
  ['/api/auth/password/reset', 'reset'],
  ['/api/auth/email/verify', 'verify'],
])

const json = z.record(z.string(), z.unknown())
const row = z.object({ id: z.string() })
const membership = z.object({ members: z.array(z.object({ user_id: z.string(), role: z.string() })) })
const pair = z.object({ access_token: z.string(), refresh_token: z.string() })
const PASSWORD = 'seven green bicycles'
/** Of a client that signs in with a provider (RFC 7636 §4.1). */
const VERIFIER = 'a-verifier-that-is-long-enough-for-RFC-7636'
const JSON_TYPE = 'application/json'
const MAX_BODY = 65_536

/**
 * Everything a document says can be asked and answered, from the document alone: `drive(operation)` asks for each
 * success and for each error that it describes and that a client can bring about, or for those errors that are wanted.
 */
export function driverFor(document: unknown, { send, newToken, addAccount, mailed, ceremonies }: Deployment) {
  const operations = operationsOf(document)
  const creatorOf = (path: string) =>
    operations.find((each) => each.path === path && each.method === 'POST' && each.responses.has(201))

  /** A new account that is logged in, for the operations about accounts; for others a token is enough. */
  async function enter({ path, open, method }: Operation): Promise<Omit<Visit, 'path'> & { path?: string }> {
    if (path.startsWith('/api/admin/')) return { headers: bearer(await newToken('admin')), given: {} }
    if (path === '/api/invitations/accept') {
      const token = await invitation(await newTeam(bearer(await newToken())))
      return { headers: bearer(await newToken()), given: { token: () => token } }
    }
    if (!path.startsWith('/api/auth/')) return { headers: open ? {} : bearer(await newToken()), given: {} }
    const email = `ada-${uuidv7()}@example.com`
    const given: Given = {
      email: () => email,
      username: () => email,
      password: () => PASSWORD,
      current_password: () => PASSWORD,
      new_password: () => 'nine yellow umbrellas',
    }
    if (path === '/api/auth/register') {
      const options = json.parse(succeeded(await post('/api/auth/register/passkey/options', given)))
      const { answer } = ceremonies.newPasskey(options)
      return { headers: {}, given: { ...given, passkey: () => answer } }
    }
    if (path.startsWith('/api/auth/register/')) return { headers: {}, given }
    // Registering also mails the token that proves the address.
    if (addAccount && MAILED.get(path) !== 'verify') await addAccount(email, PASSWORD)
    else await post('/api/auth/register', given)
    const { access_token, refresh_token } = pair.parse(succeeded(await post('/api/auth/login', given)))
    const token = await tokenOf(path, email, given)
    const headers = bearer(access_token)
    if (path === '/api/auth/callback/{provider}' && method === 'GET') {
      const { cookie, path: back } = await begin(headers)
      return { path: back, headers: { Cookie: cookie }, given }
    }
    if (method === 'GET' && path === '/api/auth/passkeys') await addPasskey(headers)
    if (path.startsWith('/api/auth/identities')) await signedIn(headers)
    return {
      headers: open ? {} : headers,
      given: {
        ...given,
        ...token,
        ...(method === 'POST' && (await performed(path, headers))),
        'refresh_token?': () => refresh_token,
        refresh_token: () => refresh_token,
      },
    }
  }

  /** A new team of whoever is logged in by these headers. */
  async function newTeam(headers: Record<string, string>) {
    const { id } = row.parse(succeeded(await post('/api/teams', {}, headers)))
    return { path: `/api/teams/${id}`, headers }
  }

  /** The token of an invitation into a team. */
  async function invitation({ path, headers }: Awaited<ReturnType<typeof newTeam>>): Promise<string> {
    const body = JSON.stringify({ role: 'viewer' })
    const invited = await send({
      method: 'POST',
      path: `${path}/invitations`,
      headers: { ...headers, 'Content-Type': JSON_TYPE },
      body,
    })
    return z.object({ token: z.string() }).parse(succeeded(invited)).token
  }

  /** The user id of a new member of a team. */
  async function newMember(team: Awaited<ReturnType<typeof newTeam>>): Promise<string> {
    const token = await invitation(team)
    succeeded(await post('/api/invitations/accept', { token: () => token }, bearer(await newToken())))
    const list = await send({ method: 'GET', path: `${team.path}/members`, headers: team.headers })
    const { members } = membership.parse(succeeded(list))
    return members.find((each) => each.role === 'viewer')?.user_id ?? ''
  }

  /** What was mailed to a new account, for the operations that use it. */
  async function tokenOf(path: string, email: string, given: Given): Promise<Given> {
    const purpose = MAILED.get(path)
    if (!purpose) return {}
    if (purpose === 'reset') await post('/api/auth/password/forgot', given)
    const token = await mailed(purpose, email)
    return { token: () => token }
  }

  /** The body of an operation that a ceremony makes, for the user of these headers. */
  async function performed(path: string, headers: Record<string, string>): Promise<Given> {
    if (path === '/api/auth/passkeys') return valuesOf((await newPasskey(headers)).answer)
    if (path === '/api/auth/token') return signedIn(headers)
    if (path !== '/api/auth/login/passkey') return {}
    const { use } = await addPasskey(headers)
    return valuesOf(use(json.parse(succeeded(await post('/api/auth/login/passkey/options', {})))))
  }

  async function newPasskey(headers: Record<string, string>) {
    const options = await post('/api/auth/passkeys/options', {}, headers)
    return ceremonies.newPasskey(json.parse(succeeded(options)))
  }

  async function addPasskey(headers: Record<string, string>) {
    const passkey = await newPasskey(headers)
    succeeded(await post('/api/auth/passkeys', valuesOf(passkey.answer), headers))
    return passkey
  }

  /** A sign-in with a provider on its way there: where that is, and what the browser keeps meanwhile. */
  async function begin(headers: Record<string, string>) {
    const challenge = createHash('sha256').update(VERIFIER).digest('base64url')
    const provider = await providerId()
    const path = `/api/auth/login/${provider}?return_to=/&code_challenge=${challenge}`
    const begun = await send({ method: 'GET', path, headers })
    const cookie = begun.headers.getSetCookie().map((each) => each.split(';')[0])
    const callback = ceremonies.signIn(begun.headers.get('Location') ?? '')
    return { cookie: cookie.join('; '), path: `/api/auth/callback/${provider}?${callback.toString()}` }
  }

  function providerId(): Promise<string> {
    return rowIn('/api/auth/providers', '/api/auth/providers', {})
  }

  /** Adds an identity to the account, and resolves to what a code for a session is exchanged with. */
  async function signedIn(headers: Record<string, string>): Promise<Given> {
    const { cookie, path } = await begin(headers)
    const { headers: back } = await send({ method: 'GET', path, headers: { Cookie: cookie } })
    const [, fragment] = (back.get('Location') ?? '').split('#')
    const code = new URLSearchParams(fragment).get('code')
    return { code: () => code, code_verifier: () => VERIFIER }
  }

  async function post(path: string, given: Given, headers: Record<string, string> = {}): Promise<Got> {
    const operation = operations.find((each) => each.path === path && each.method === 'POST')
    if (!operation) throw new Error(`there is no POST ${path}`)
    return send(written(operation, { path, headers, given }))
  }

  async function visit(operation: Operation): Promise<Visit> {
    const { path, headers, given } = await enter(operation)
    const query = operation.parameters.filter((each) => each.in === 'query' && each.required)
    const values = query.map(({ name, schema }) => [name, String(sample(document, schema, {}, name))])
    const search = values.length ? `?${new URLSearchParams(values).toString()}` : ''
    return {
      path: path ?? (await fill(operation.path, headers)) + search,
      headers,
      given: { ...given, ...(operation.path.includes('{user_id}') && (await referred(operation, headers))) },
    }
  }

  /** A path with a row of the caller's own for each id in it. */
  async function fill(path: string, headers: Record<string, string>): Promise<string> {
    let template = ''
    let filled = ''
    for (const segment of path.split('/').slice(1)) {
      if (segment === '{user_id}') filled += '/me'
      else if (segment === '{member_id}') {
        filled += `/${await newMember({ path: filled.replace(/\/members$/, ''), headers })}`
      } else if (segment === '{provider}') filled += `/${await providerId()}`
      else if (segment.startsWith('{')) filled += `/${await rowIn(template, filled, headers)}`
      else filled += `/${segment}`
      template += `/${segment}`
    }
    return filled
  }

  /** The id of a row in a collection: a new one, or what is first in it when clients cannot create any. */
  async function rowIn(template: string, path: string, headers: Record<string, string>): Promise<string> {
    const creator = creatorOf(template)
    if (creator) {
      const given = { ...(await performed(template, headers)), ...(await referred(creator, headers)) }
      return row.parse(succeeded(await send(written(creator, { path, headers, given })))).id
    }
    const lists = z
      .record(z.string(), z.unknown())
      .parse(succeeded(await send({ method: 'GET', path, headers })))
    const [first] = z.array(row).parse(Object.values(lists).find(Array.isArray))
    if (!first) throw new Error(`${path} is empty`)
    return first.id
  }

  /** For each reference that the body of an operation must hold, the id of a new row, with the rows that it needs in turn. */
  async function referred({ body }: Operation, headers: Record<string, string>): Promise<Given> {
    const given: Given = {}
    for (const [name, collection] of neededBy(document, body.get(JSON_TYPE)?.schema)) {
      const target = operations.find(({ path }) => path.endsWith(`/${collection}`) && creatorOf(path))
      if (!target) throw new Error(`${name} refers to ${collection}, where no row can be created`)
      const id = await rowIn(target.path, await fill(target.path, headers), headers)
      given[name] = () => id
    }
    return given
  }

  /** Two rows in the collection that an operation is about, or one in every collection of the user's. */
  async function populate({ path }: Operation, { path: filled, headers }: Visit): Promise<string[]> {
    const template = path.replace(/\/bulk$/, '')
    const collection = template.slice(template.lastIndexOf('/'))
    const nested = operations.find((each) => creatorOf(each.path) && each.path.endsWith(`}${collection}`))
    if (creatorOf(template)) {
      const at = filled.replace(/\/bulk$/, '')
      return [await rowIn(template, at, headers), await rowIn(template, at, headers)]
    }
    if (nested) {
      const at = await fill(nested.path, headers)
      return [await rowIn(nested.path, at, headers), await rowIn(nested.path, at, headers)]
    }
    const collections = operations.filter(
      (each) => /^\/api\/\{user_id\}\/\w+$/.test(each.path) && creatorOf(each.path),
    )
    for (const each of collections.filter(({ method }) => method === 'POST')) {
      await rowIn(each.path, each.path.replace('{user_id}', 'me'), headers)
    }
    return []
  }

  /** The request of an operation, with a body of its schema if it takes one. */
  function written(
    { method, body }: Operation,
    { path, headers, given }: Visit,
    type = JSON_TYPE,
    schema = body.get(type)?.schema,
  ): Sent {
    if (!schema) return { method, path, headers }
    const value = sample(document, schema, given)
    const form = type === 'application/x-www-form-urlencoded'
    const text = form
      ? new URLSearchParams(z.record(z.string(), z.string()).parse(value))
      : JSON.stringify(value)
    return { method, path, headers: { ...headers, 'Content-Type': type }, body: String(text) }
  }

  return async function drive(
    operation: Operation,
    isWanted: (status: number) => boolean = () => true,
  ): Promise<Exchange[]> {
    const exchanges: Exchange[] = []
    const takes = (name: string) => operation.parameters.some((each) => each.name === name)
    const ask = async (request: Sent) => {
      const response = await send(request)
      exchanges.push({ operation, request, response })
      return response
    }
    /** A visit with rows for the operation to find; values given go into its body. */
    const arrive = async (given: Given = {}) => {
      const visited = await visit(operation)
      const isFound =
        operation.path.includes('{user_id}') &&
        (operation.method === 'GET' || operation.path.endsWith('/bulk'))
      const ids = isFound ? await populate(operation, visited) : []
      const nextId = () => ids.shift() ?? uuidv7()
      const ofBulk = operation.path.endsWith('/bulk') && { id: nextId }
      return { ...visited, given: { ...visited.given, ...ofBulk, ...given } }
    }
    const plain = async (headers: Record<string, string> = {}, given?: Given) => {
      const request = written(operation, await arrive(given))
      return { ...request, headers: { ...request.headers, ...headers } }
    }

    async function successes(): Promise<void> {
      if (operation.path.endsWith('/restore')) {
        const request = await plain()
        await send({ ...request, method: 'DELETE', path: rowPath(request.path) })
        await ask(request)
      }
      const request = await plain()
      const first = await ask(request)
      const etag = first.headers.get('ETag')
      for (const [type, { schema }] of operation.body) {
        const [, ...others] = z.array(json).parse(schema.oneOf ?? [schema])
        if (type !== JSON_TYPE) await ask(written(operation, await arrive(), type))
        for (const other of others) await ask(written(operation, await arrive(), type, other))
      }
      // Where it sends browsers, it tells others.
      if (operation.responses.has(302) && operation.responses.has(200)) {
        await ask(await plain({ Accept: JSON_TYPE }))
      }
      if (takes('If-None-Match') && etag) {
        await ask({ ...request, headers: { ...request.headers, 'If-None-Match': etag } })
      }
      if (takes('limit')) {
        const page = await ask({
          ...request,
          path: `${request.path}?limit=1${takes('total') ? '&total=true' : ''}`,
        })
        const [, next] = /<([^>]*)>/.exec(page.headers.get('Link') ?? '') ?? []
        if (next) await ask({ ...request, path: next })
      }
      if (takes('cookie')) {
        const anew = await plain()
        await ask({ ...anew, path: `${anew.path}?cookie=true` })
      }
      if (takes('Prefer')) await ask(await plain({ Prefer: 'return=minimal' }))
      if (takes('Idempotency-Key')) {
        const once = await plain({ 'Idempotency-Key': 'once' })
        await ask(once)
        await ask(once)
      }
    }

    const failures: Record<number, () => Promise<void>> = {
      async 400() {
        const request = await plain()
        if (request.body !== undefined) await ask({ ...request, body: '{' })
        if (request.method === 'PATCH') await ask({ ...request, body: '{}' })
        if (takes('Idempotency-Key')) await ask(await plain({ 'Idempotency-Key': 'not visible' }))
      },
      async 401() {
        const request = await plain()
        const { Authorization: _, ...headers } = request.headers
        await ask({ ...request, headers })
        await ask({ ...request, headers: { ...headers, Authorization: 'Bearer not.a.token' } })
        if (operation.body.size)
          await ask(await plain({}, { password: () => 'a wrong one', current_password: () => 'a wrong one' }))
        if (operation.body.size)
          await ask(await plain({}, { 'refresh_token?': () => 'not one', refresh_token: () => 'not one' }))
      },
      async 403() {
        const request = await plain()
        if (operation.path.includes('{user_id}')) {
          await ask({ ...request, path: request.path.replace('/me', '/somebody-else') })
          return
        }
        if (operation.path.includes('{team_id}')) {
          await ask({ ...request, headers: { ...request.headers, ...bearer(await newToken()) } })
          return
        }
        // A role is missing; or a browser sends its cookies from elsewhere.
        const token = request.headers.Authorization ?? ''
        if (operation.path.startsWith('/api/admin/')) {
          await ask({
            ...request,
            headers: { ...request.headers, Authorization: `Bearer ${await newToken()}` },
          })
          return
        }
        const { Authorization: _, ...headers } = request.headers
        const Cookie = `__Host-access_token=${token.replace('Bearer ', '')}; __Host-refresh_token=none`
        const path = takes('cookie') ? `${request.path}?cookie=true` : request.path
        const foreign = { ...headers, Cookie, Origin: 'https://elsewhere.example' }
        await ask({ ...request, path, headers: foreign })
        if (!takes('cookie'))
          await ask({ method: request.method, path, headers: { Cookie, Origin: foreign.Origin } })
      },
      async 404() {
        const request = await plain({}, operation.path.endsWith('/bulk') ? { id: uuidv7 } : {})
        if (operation.path.includes('{team_id}')) {
          await ask({ ...request, path: request.path.replace(/[^/]+$/, uuidv7()) })
          return
        }
        // A user's own id may have any form.
        const ID = operation.path.startsWith('/api/admin/')
          ? /(?<=\/users\/)[^/?]+/g
          : /[\da-f]{8}-[\da-f-]{27}/g
        await ask({ ...request, path: request.path.replaceAll(ID, () => uuidv7()) })
        if (operation.path.endsWith('/{provider}')) {
          const [, search = ''] = request.path.split('?')
          await ask({ ...request, path: `${operation.path.replace('{provider}', 'nobody')}?${search}` })
        }
      },
      async 405() {
        const known = new Set(
          operations.filter(({ path }) => path === operation.path).map(({ method }) => method),
        )
        const { path, headers } = await plain()
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'].filter((each) => !known.has(each))) {
          await ask({ method, path, headers })
        }
      },
      async 409() {
        const visited = await arrive()
        const { path, headers } = visited
        if (operation.path === '/api/{user_id}') await newMember(await newTeam(headers))
        if (operation.path.includes('{member_id}') || operation.path === '/api/{user_id}') {
          await ask(
            written(operation, { path: path.replace(/members\/.*/, 'members/me'), headers, given: {} }),
          )
          return
        }
        if (operation.path === '/api/invitations/accept') {
          const token = await invitation(await newTeam(headers))
          await ask(written(operation, { ...visited, given: { token: () => token } }))
          return
        }
        if (operation.responses.has(201)) {
          const id = uuidv7()
          const request = written(operation, { ...visited, given: { ...visited.given, 'id?': () => id } })
          await send(request)
          await ask(request)
          return
        }
        const [taken] = await populate(operation, visited)
        const { id: _, ...given } = visited.given
        await ask(written(operation, { ...visited, given: { ...given, 'id?': () => taken } }))
      },
      async 410() {
        const request = await plain({ 'Idempotency-Key': 'once' })
        if (takes('cursor')) {
          // As old as a cursor can be.
          await ask({ ...request, path: `${request.path}?cursor=${encodeOpaque({ at: 0, seen: [] })}` })
          return
        }
        const { headers } = await ask(request)
        const path = headers.get('Location') ?? rowPath(request.path)
        await send({ method: 'DELETE', path, headers: request.headers })
        await ask(request)
      },
      async 412() {
        await ask(await plain({ 'If-Match': '"1"' }, takes('If-Match') ? {} : { 'revision?': () => 1 }))
      },
      async 413() {
        const request = await plain()
        await ask({ ...request, body: (request.body ?? '').padEnd(MAX_BODY + 1) })
      },
      async 415() {
        await ask(await plain({ 'Content-Type': 'text/plain' }))
      },
      async 422() {
        const request = await plain()
        if (request.method === 'GET' || takes('cookie')) {
          await ask({ ...request, path: `${request.path}?no_such_parameter=1` })
        }
        if (request.body !== undefined) {
          await ask({ ...request, body: request.body.replace(/}$/, ',"no_such_field":1}') })
          await ask({ ...request, body: '[]' })
        }
        if (takes('Idempotency-Key')) {
          const once = await plain({ 'Idempotency-Key': 'once' })
          await ask(once)
          const body = request.body === undefined ? '{}' : `${request.body} `
          await ask({ ...once, headers: { ...once.headers, 'Content-Type': JSON_TYPE }, body })
        }
      },
    }

    await successes()
    for (const [status, fail] of Object.entries(failures)) {
      const isDescribed = operation.responses.has(Number(status)) && isInReach(operation, Number(status))
      if (isDescribed && isWanted(Number(status))) await fail()
    }
    return exchanges
  }
}

/** Every property of a body by its name. */
function valuesOf(body: Json): Given {
  return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, () => value]))
}

function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}` }
}

/** The path of a row, from that of something that is done to it. */
function rowPath(path: string): string {
  return path.replace(/\/\w+$/, '')
}

function succeeded({ status, text }: Got): unknown {
  if (status >= 300) throw new Error(`${status}: ${text}`)
  return JSON.parse(text)
}
