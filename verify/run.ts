import type { Answer, Client, User } from './client.ts'
import type { Api, Resource } from './document.ts'
import { expectRow, type Row } from './expect.ts'
import { failureOf, type Report } from './report.ts'
import { learn, type Body, type Maker } from './bodies.ts'

/** Everything a check needs. */
export interface Run {
  client: Client
  api: Api
  report: Report
  /** Whose rows are made. */
  mine: User
  /** Another user, if there is one. */
  other: User | undefined
  /** Whether they were lent for this run, rather than made for it. */
  lent: boolean
  /** An origin that the deployment allows, if one is known. */
  origin: string | undefined
  signal: AbortSignal
}

/** One user's collection: for a child, that under one parent. */
export interface Rows {
  resource: Resource
  user: User
  /** `/api/me/tasks` */
  path: string
  make: Maker
  send(
    method: string,
    suffix?: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>
  /** A new row. */
  create(body?: Body): Promise<Row>
}

/** Runs a check, and reports it. Throws only when the whole run has to end. */
export async function check(
  { report, client, signal }: Pick<Run, 'report' | 'client' | 'signal'>,
  subject: string,
  name: string,
  run: () => Promise<void>,
  collection?: string,
): Promise<void> {
  try {
    await run()
    report.add({ subject, name, collection, outcome: 'passed' })
  } catch (error) {
    signal.throwIfAborted()
    report.add({ subject, name, collection, outcome: 'failed', ...failureOf(client.url, error) })
  }
}

/** Runs a check for every collection, each on separate rows. */
export async function checkEach(
  run: Run,
  subject: string,
  name: string,
  one: (rows: Rows) => Promise<void>,
): Promise<void> {
  for (const resource of run.api.resources) {
    await check(run, subject, name, async () => one(await rowsOf(run, resource)), resource.name)
  }
}

/** What was learned of a collection for a user: how to make its bodies, and a row that references may name. */
interface Known {
  make: Maker
  id: string
}

const learned = new WeakMap<Run, Map<string, Known>>()

/** Learns how to make bodies of every collection, those first that others need. */
export async function prepare(run: Run): Promise<void> {
  learned.set(run, new Map())
  await prepareFor(run, run.mine)
  if (run.other) await prepareFor(run, run.other)
}

/** The same for one owner, at its path: a user, or a team (then `user` has its id, and the token of a member). */
export async function prepareFor(run: Run, user: User, base = '/api/me'): Promise<void> {
  const known = learned.get(run) ?? new Map<string, Known>()
  for (const resource of inOrder(run.api.resources)) {
    const path = base + (await pathFor(run, resource, user, base))
    const post = (body: Body) => run.client.send({ method: 'POST', path, as: user, body })
    const rows = Array.from(known).filter(([key]) => key.startsWith(`${user.id} `))
    const targets = new Map(rows.map(([key, { id }]) => [key.slice(user.id.length + 1), id]))
    const make = await learn(resource, targets, post)
    known.set(`${user.id} ${resource.name}`, { make, id: expectRow(await post(make.full()), 201).id })
  }
}

/** The collections, each after its parent and after those that its rows must and, but for circles, may refer to. */
function inOrder(resources: readonly Resource[]): Set<Resource> {
  const ordered = new Set<Resource>()
  const begun = new Set<Resource>()
  const add = (resource: Resource | undefined): void => {
    if (!resource || begun.has(resource)) return
    begun.add(resource)
    add(resource.parent?.resource)
    const { required, writable } = resource
    for (const field of [...required, ...Object.keys(writable)]) {
      add(resources.find(({ name }) => name === writable[field]?.['x-references']))
    }
    ordered.add(resource)
  }
  resources.forEach(add)
  return ordered
}

/** A collection of a user's: for a child, under a new parent. */
export async function rowsOf(run: Run, resource: Resource, user = run.mine, base = '/api/me'): Promise<Rows> {
  const path = base + (await pathFor(run, resource, user, base))
  const known = learned.get(run)?.get(`${user.id} ${resource.name}`)
  if (!known) throw new Error(`nothing is known of ${resource.name}`)
  return rowsAt(run.client, resource, user, path, known.make)
}

/** The same collection as another user sees it, or at another path. */
export function rowsAt(client: Client, resource: Resource, user: User, path: string, make: Maker): Rows {
  const send: Rows['send'] = (method, suffix = '', body, headers) =>
    client.send({ method, path: path + suffix, as: user, body, ...(headers && { headers }) })
  return {
    resource,
    user,
    path,
    make,
    send,
    create: async (body = make.full()) => expectRow(await send('POST', '', body), 201),
  }
}

async function pathFor(run: Run, { path, parent }: Resource, user: User, base: string): Promise<string> {
  if (!parent) return path
  const above = await rowsOf(run, parent.resource, user, base)
  const { id } = await above.create()
  return above.path.slice(base.length) + `/${id}` + path.slice(path.lastIndexOf('/'))
}
