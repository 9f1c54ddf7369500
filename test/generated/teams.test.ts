import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { sample } from 'fast-check'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bodyOf, patchOf, type Body } from '../arbitraries.ts'
import { newId, newUser, tokenFor, type Answer, type Fetch, type Json } from '../client.ts'
import { collectionOf, resources, rowVerbsOf, type Collection, type User } from '../collection.ts'
import type { Resource } from '../../src/engine/resource.ts'
import worker from '../../src/index.ts'
import { listen, type Listener } from '../listener.ts'
import { problemOf, storedBy } from '../stored.ts'
import { ask } from '../rows.ts'

/** How many requests are made, in worlds of a few hundred each: TEAM_REQUESTS of them, or a short run. */
const REQUESTS = Number(env.TEAM_REQUESTS || 900)
/** How often a long run says how far it is, in requests. */
const PROGRESS = 10_000
/** A long run calls the Worker's module: the way of the test pool to it costs more than a request does. */
const direct: Fetch = (request) => worker.fetch(request, env, createExecutionContext())
const fetch = env.TEAM_REQUESTS ? direct : undefined
/** The same seed makes the same requests: TEAM_SEED, or one that a failure prints. */
const SEED = Number(env.TEAM_SEED || Math.trunc(Math.random() * 2 ** 31))
const PER_WORLD = env.TEAM_REQUESTS ? 600 : 300
const USERS = 6
const TEAMS = 3
const LADDER = ['viewer', 'editor', 'admin', 'owner'] as const
type Role = (typeof LADDER)[number]

/** What marks the texts of a team's rows: put in place of this, since bodies are made before teams are. */
const MARK = 'canary--------'
/** Put in place of these: rows that a reference may name, and rows of another team's. */
const OWN = '00000000-0000-7000-8000-000000000001'
const OTHERS = '00000000-0000-7000-8000-000000000002'

interface Invitation {
  team: Team
  id: string
  token: string
  role: Role
  giver: User
}

/** A team as it must be now, by the answers there were. */
interface Team {
  id: string
  canary: string
  roles: Map<User, Role>
  /** Who can be made to leave, but only down to one. */
  places: Map<Resource, Place>
  invitations: Invitation[]
  sockets: { user: User; listener: Listener }[]
}

/** A resource's collection in a team: its rows, live and in the trash. */
interface Place {
  rows: Collection
  live: Map<string, Json>
  trash: Map<string, Json>
}

interface Verb {
  method: string
  suffix: string
}

const bodies = new Map(
  resources.map((resource) => {
    const references = resource.references.map(({ column }) => column.name)
    const given = Object.fromEntries(
      references.map((name) => [name, fc.constantFrom(OWN, OWN, OWN, OWN, OTHERS)]),
    )
    const options = { mark: MARK, given }
    return [
      resource,
      {
        whole: sample(bodyOf(resource, options), { numRuns: 60, seed: 7 }),
        part: sample(patchOf(resource, options), { numRuns: 60, seed: 8 }),
      },
    ] as const
  }),
)

const verbs = new Map(
  resources.map((resource): [Resource, Verb[]] => [
    resource,
    [
      ...['GET', 'POST', 'POST', 'HEAD'].map((method) => ({ method, suffix: '' })),
      ...['GET', 'PUT', 'PATCH', 'PATCH', 'DELETE', 'HEAD'].map((method) => ({ method, suffix: '/:id' })),
      ...rowVerbsOf(resource).map(({ method, suffix }) => ({ method, suffix: `/:id${suffix}` })),
      { method: 'POST', suffix: '/bulk' },
    ],
  ]),
)

describe('rows that several users share', () => {
  const say = console.log.bind(console)
  beforeEach(() => {
    for (const level of ['debug', 'log', 'info', 'warn', 'error'] as const) {
      vi.spyOn(console, level).mockImplementation(() => {})
    }
  })
  afterEach(() => vi.restoreAllMocks())

  test(
    'are read and written as the roles of that moment allow, while members come, go, rise and fall',
    { timeout: 600_000 + REQUESTS * 500 },
    async () => {
      const outcomes = new Map<string, number>()
      const sum = () =>
        `${made} requests from TEAM_SEED=${SEED}: ${JSON.stringify(Object.fromEntries(outcomes))}`
      let made = 0
      for (let seed = SEED; made < REQUESTS; seed += 1) {
        const world = await newWorld(seed, outcomes)
        for (let step = 0; step < PER_WORLD && made < REQUESTS; step += 1) {
          try {
            made += await world.step()
          } catch (error) {
            const where = `TEAM_SEED=${seed}, request ${step} of its world: `
            throw new Error(where + (error instanceof Error ? error.message : String(error)), {
              cause: error,
            })
          }
        }
        await world.expectStored(`TEAM_SEED=${seed}`)
        // The mocks remember every call.
        vi.clearAllMocks()
        if (made % PROGRESS < PER_WORLD) say(sum())
      }
      // The run did reach what it is about.
      const seen = [...outcomes.keys()]
      for (const name of [
        'read allowed',
        'write allowed',
        'read stranger',
        'write stranger',
        'write too low',
      ]) {
        expect(seen, JSON.stringify([...outcomes])).toContain(name)
      }
      for (const name of ['replay', 'parent of another team', 'race']) {
        if (REQUESTS >= 900) expect(seen, JSON.stringify([...outcomes])).toContain(name)
      }
      say(sum())
    },
  )

  async function newWorld(seed: number, outcomes: Map<string, number>) {
    const random = numbers(seed)
    const below = (count: number) => Math.floor(random() * count)
    const one = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item
    const note = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)

    // What their tokens claim means nothing.
    const users: User[] = []
    for (let at = 0; at < USERS; at += 1) {
      const user = await newUser(undefined, fetch)
      const lies = { role: 'owner', team_role: 'owner', teams: { '*': 'owner' } }
      user.authorization.Authorization = `Bearer ${await tokenFor(user.id, lies)}`
      users.push(user)
    }
    const teams: Team[] = []

    async function newTeam(owner: User): Promise<Team> {
      const { body } = await owner.request('POST', '/api/teams', { name: 'A team' })
      const team: Team = {
        id: body.id,
        canary: `k${crypto.randomUUID().replaceAll('-', '')}`.slice(0, MARK.length),
        roles: new Map([[owner, 'owner']]),
        places: new Map(),
        invitations: [],
        sockets: [],
      }
      const inTeam: User = {
        ...owner,
        call: (method, path, sent, headers) => owner.request(method, `/api/${team.id}${path}`, sent, headers),
      }
      for (const resource of resources) {
        const rows = await collectionOf(resource, inTeam)
        team.places.set(resource, { rows, live: new Map(), trash: new Map() })
      }
      // What must be there before rows can be is known, too.
      for (const resource of resources) {
        const place = team.places.get(resource) as Place
        const results = await ask(team.id, `SELECT id FROM "${resource.name}" WHERE user_id = ?`, team.id)
        for (const { id } of results) place.live.set(String(id), undefined)
        for (let row = 0; row < 2; row += 1) {
          const made = await place.rows.call('POST', '', filled(one(bodiesOf(resource).whole), team, team))
          if (made.status === 201) place.live.set(made.body.id, made.body)
        }
      }
      return team
    }

    const rank = (team: Team, user: User) => LADDER.indexOf(team.roles.get(user) as Role) + 1
    const bodiesOf = (resource: Resource) => bodies.get(resource) as { whole: Body[]; part: Body[] }

    function filled(body: Body, team: Team, other: Team): Body {
      const refer = (from: Team) =>
        Object.values(
          Object.fromEntries([...from.places].flatMap(([, { rows }]) => Object.entries(rows.references))),
        )
      const named = (from: Team, name: string) =>
        [...from.places.values()].flatMap(({ rows }) => rows.references[name] ?? [])[0]
      const text = JSON.stringify(body).replaceAll(MARK, team.canary)
      const parsed = JSON.parse(text) as Body
      for (const [name, value] of Object.entries(parsed)) {
        if (value === OWN) parsed[name] = named(team, name) ?? refer(team)[0]?.[0]
        if (value === OTHERS) parsed[name] = named(other, name) ?? refer(other)[0]?.[0]
      }
      return parsed
    }

    /** Whether a request with this least role was refused as it must be; throws when it was not, or should not have been. */
    function judged(
      answer: Answer,
      team: Team,
      user: User,
      least: Role,
      before: number,
      what: string,
    ): boolean {
      const ranks = [before, rank(team, user)]
      const needed = LADDER.indexOf(least) + 1
      const kind = least === 'viewer' ? 'read' : 'write'
      const [status, type] = problemOf(answer)
      const says = status === 403 ? (type ?? (answer.text === '' ? 'HEAD' : 'nothing')) : 'allowed'
      const may: string[] = ranks.map((each) =>
        each === 0 ? 'not_your_path' : each < needed ? 'insufficient_role' : 'allowed',
      )
      const fits = may.includes(says) || (says === 'HEAD' && may.some((each) => each !== 'allowed'))
      if (!fits) throw new Error(`${what} should be ${may.join(' or ')}: ${answer.status} ${answer.text}`)
      note(`${kind} ${{ not_your_path: 'stranger', insufficient_role: 'too low' }[says] ?? says}`)
      return says === 'allowed'
    }

    function expectNoLeak(answer: Answer, user: User, sent: string, what: string, except?: Team): void {
      const texts = [answer.text, JSON.stringify([...answer.headers])]
      for (const team of teams) {
        if (team === except || rank(team, user) > 0) continue
        const ids = [...team.places.values()].flatMap(({ live, trash }) => [...live.keys(), ...trash.keys()])
        for (const secret of [team.canary, ...ids]) {
          if (sent.includes(secret)) continue
          if (texts.some((text) => text.includes(secret)))
            throw new Error(`${what} leaks ${secret}: ${answer.text}`)
        }
      }
    }

    /** One request about rows, perhaps beside another one that changes who may make it: then that is waited for. */
    async function rowStep(user: User, team: Team, beside?: Promise<void>): Promise<void> {
      const before = rank(team, user)
      const other = one(teams)
      const kind = below(20)
      if (kind === 0)
        return ownerStep(user, team, one(['/changes', '/export', '/changes?limit=1']), before, beside)
      if (kind === 1) return ownerStep(user, team, '/events', before, beside)
      const resource = one(resources)
      const place = team.places.get(resource) as Place
      if (kind === 2 && resource.parent)
        return ownerStep(user, team, `/${resource.name}?limit=100`, before, beside)
      const { method, suffix } = one(verbs.get(resource) as Verb[])
      const astray = other !== team && below(6) === 0
      const from = (astray || below(8) === 0 ? other.places.get(resource) : place) as Place
      const pile = suffix === '/:id/restore' ? from.trash : from.live
      const id = one([...pile.keys(), newId()])
      const whole = filled(one(bodiesOf(resource).whole), team, other)
      const part = filled(one(bodiesOf(resource).part), team, other)
      const above = (astray && resource.parent ? from : place).rows.path
      const path = `/api/${below(5) ? '' : 'v1/'}${team.id}${above}${suffix.replace(':id', id)}`
      const single = method === 'PATCH' && suffix === '/:id' ? part : whole
      const bulk = {
        operations: [
          { op: 'update', id, data: part },
          { op: 'create', data: whole },
        ],
      }
      const takes = ['POST ', 'PUT /:id', 'PATCH /:id'].includes(`${method} ${suffix}`)
      const body = suffix === '/bulk' ? bulk : takes ? single : undefined
      const row = place.live.get(id)
      const headers: Record<string, string> = {}
      // Also where it means nothing.
      if (below(3) === 0) headers['Idempotency-Key'] = `key-${below(4)}`
      if (below(5) === 0 && row) headers[one(['If-Match', 'If-None-Match'])] = `"${row.revision}"`
      const reads = method === 'GET' || method === 'HEAD'
      const least = reads ? 'viewer' : (resource.write ?? 'editor')
      // The same key and body again, sometimes.
      const again =
        !reads && headers['Idempotency-Key'] && below(2) === 0 ? sentBefore.get(team)?.get(user) : undefined
      const request = again ?? { method, path, body, headers, resource, suffix, id, astray }
      if (!again && headers['Idempotency-Key'] && method === 'POST') remember(team, user, request)
      const needed = again ? (again.resource.write ?? 'editor') : least

      const answer = await user.request(request.method, request.path, request.body, request.headers)
      const what = `${request.method} ${request.path} ${JSON.stringify(request.body)} ${JSON.stringify(request.headers)}`
      if (answer.status >= 500) throw new Error(`${what}: ${answer.status} ${answer.text}`)
      const sent = request.path + JSON.stringify(request.body ?? '') + JSON.stringify(request.headers)
      await beside
      expectNoLeak(answer, user, sent, what, beside && team)
      if (!judged(answer, team, user, needed, before, what)) return
      if (request.astray && request.resource.parent) {
        if (answer.status < 400 && answer.headers.get('Idempotent-Replayed') !== 'true')
          throw new Error(`${what} reached through a parent of another team`)
        note('parent of another team')
        return
      }
      const strange =
        other === team
          ? []
          : [...other.places.values()].flatMap(({ rows }) => Object.values(rows.references).flat())
      const names = !again && strange.some((each) => JSON.stringify(body ?? '').includes(each))
      if (names && answer.status < 300 && answer.headers.get('Idempotent-Replayed') !== 'true')
        throw new Error(`${what} refers to a row of another team`)
      keep(team, request, user, answer, what)
    }

    interface Sent extends Verb {
      path: string
      body: unknown
      headers: Record<string, string>
      resource: Resource
      id: string
      astray: boolean
    }
    const sentBefore = new Map<Team, Map<User, Sent>>()
    function remember(team: Team, user: User, request: Sent): void {
      const ofTeam = sentBefore.get(team) ?? new Map<User, Sent>()
      sentBefore.set(team, ofTeam.set(user, request))
    }

    /** What reads over all of a team's rows. */
    async function ownerStep(
      user: User,
      team: Team,
      path: string,
      before: number,
      beside?: Promise<void>,
    ): Promise<void> {
      if (path === '/events' && before === 0 && !beside) {
        await expect(listen(`/api/${team.id}/events`, user.authorization)).rejects.toThrow('403')
        note('socket refused')
        return
      }
      const wanted = path === '/events' ? { Accept: 'text/event-stream' } : {}
      const method = path === '/events' ? 'HEAD' : one(['GET', 'GET', 'HEAD'])
      const answer = await user.request(method, `/api/${team.id}${path}`, undefined, wanted)
      const what = `${method} ${team.id}${path}`
      if (answer.status >= 500) throw new Error(`${what}: ${answer.status} ${answer.text}`)
      await beside
      expectNoLeak(answer, user, team.id, what, beside && team)
      if (!judged(answer, team, user, 'viewer', before, what)) return
      for (const each of teams) {
        if (each !== team && answer.text.includes(each.canary))
          throw new Error(`${what} holds another team’s row`)
      }
      if (path === '/events' && team.sockets.length < 3 && !beside && below(3) === 0) {
        team.sockets.push({ user, listener: await listen(`/api/${team.id}/events`, user.authorization) })
        note('socket')
      }
    }

    /** Keeps what a successful answer says of the rows. */
    function keep(
      team: Team,
      { method, suffix, resource, id }: Sent,
      user: User,
      answer: Answer,
      what: string,
    ): void {
      const place = team.places.get(resource) as Place
      if (answer.headers.get('Idempotent-Replayed') === 'true') {
        note('replay')
        const rows = answer.body?.results?.flatMap((each: Json) => each[resource.singular] ?? []) ?? [
          answer.body,
        ]
        for (const row of rows) if (row?.user_id) expect(row.user_id, what).toBe(team.id)
        return
      }
      if (answer.status >= 300 || method === 'HEAD') return
      if (method === 'GET') {
        const rows: Json[] = suffix === '' ? answer.body[resource.name] : [answer.body]
        for (const row of rows) {
          expect(row.user_id, what).toBe(team.id)
          expect(place.live.has(row.id), what).toBe(true)
        }
        return
      }
      const written: Json[] =
        suffix === '/bulk' ? answer.body.results.map((each: Json) => each[resource.singular]) : [answer.body]
      if (method === 'DELETE') {
        place.trash.set(id, place.live.get(id))
        place.live.delete(id)
        return
      }
      for (const row of written) {
        const known = place.live.get(row.id)
        expect(row.user_id, what).toBe(team.id)
        if (row.revision !== known?.revision) expect(row.updated_by, what).toBe(user.id)
        if (known) expect(row.created_by, what).toBe(known.created_by)
        place.live.set(row.id, row)
        place.trash.delete(row.id)
      }
    }

    /** One request that changes who is in a team, or does not: as the ranks say. */
    async function memberStep(team: Team): Promise<void> {
      const actor = below(3) ? one([...team.roles.keys()]) : one(users)
      const own = rank(team, actor)
      const path = `/api/teams/${team.id}`
      const expectRefusal = (answer: Answer, what: string, least = 3) => {
        const type = own === 0 ? 'not_your_path' : 'insufficient_role'
        if (own < least || answer.status === 403) expect(problemOf(answer), what).toEqual([403, type])
        return own < least
      }
      const kind = below(10)
      if (kind < 3) {
        const role = one(LADDER)
        const answer = await actor.request('POST', `${path}/invitations`, { role })
        const what = `${own} invites a ${role}`
        if (expectRefusal(answer, what)) return
        if (own < LADDER.indexOf(role) + 1) {
          expect(problemOf(answer), what).toEqual([403, 'insufficient_role'])
          return
        }
        expect(answer.status, what).toBe(201)
        const { id, token } = answer.body
        team.invitations.push({ team, id, token, role, giver: actor })
        note('invited')
        if (below(4) === 0) return
        const invited = one(users)
        await accept(invited, team.invitations.at(-1) as Invitation)
        return
      }
      if (kind < 4 && spent.length + team.invitations.length) {
        await accept(actor, one([...team.invitations, ...spent]))
        return
      }
      const member = below(2) ? one([...team.roles.keys()]) : one(users)
      const standing = rank(team, member)
      const self = member === actor
      const removes = kind < 7
      const role = one(LADDER)
      const named = self && below(2) ? 'me' : member.id
      const answer = removes
        ? await actor.request('DELETE', `${path}/members/${named}`)
        : await actor.request('PATCH', `${path}/members/${named}`, { role })
      const what = `${own} ${removes ? 'removes' : `makes a ${role} of`} ${standing}${self ? ', itself' : ''}`
      if (expectRefusal(answer, what, removes && self ? 1 : 3)) return
      const to = removes ? 0 : LADDER.indexOf(role) + 1
      const owners = [...team.roles.values()].filter((each) => each === 'owner').length
      if (standing === 0) return expect(problemOf(answer), what).toEqual([404, 'row_not_found'])
      if (own < standing || own < to)
        return expect(problemOf(answer), what).toEqual([403, 'insufficient_role'])
      if (standing === 4 && to < 4 && owners === 1)
        return expect(problemOf(answer), what).toEqual([409, 'last_owner'])
      expect(answer.status, what + answer.text).toBe(removes ? 204 : 200)
      if (removes) team.roles.delete(member)
      else team.roles.set(member, role)
      team.invitations = team.invitations.filter(({ giver, role: given, ...each }) => {
        const withdrawn = giver === member && LADDER.indexOf(given) + 1 > to
        if (withdrawn) spent.push({ giver, role: given, ...each })
        return !withdrawn
      })
      if (to === standing) return
      note(removes ? 'removed' : 'role changed')
      for (const socket of team.sockets.filter(({ user }) => user === member)) {
        const patience = new Promise((resolve) => setTimeout(() => resolve('still open'), 30_000))
        expect(await Promise.race([socket.listener.closed, patience]), what).toBe(4403)
        note('socket closed')
      }
      team.sockets = team.sockets.filter(({ user }) => user !== member)
    }

    /** Invitations that were used, or withdrawn. */
    const spent: Invitation[] = []

    async function accept(user: User, invitation: Invitation): Promise<void> {
      const { team, token, role } = invitation
      const answer = await user.request('POST', '/api/invitations/accept', { token })
      const what = `accepting an invitation as a ${role}`
      if (!team.invitations.includes(invitation)) {
        return expect(problemOf(answer), what).toEqual([422, 'invalid_token_link'])
      }
      if (rank(team, user)) return expect(problemOf(answer), what).toEqual([409, 'already_member'])
      expect([answer.status, answer.body.role], what + answer.text).toEqual([200, role])
      team.roles.set(user, role)
      team.invitations = team.invitations.filter((each) => each !== invitation)
      spent.push(invitation)
      note('joined')
    }

    for (let at = 0; at < TEAMS; at += 1) teams.push(await newTeam(users[at] as User))
    return {
      /** Makes one request, or two at once, and resolves to how many. */
      async step(): Promise<number> {
        const team = one(teams)
        const user = below(3) ? one([...team.roles.keys()]) : one(users)
        const kind = below(20)
        if (kind < 5) {
          await memberStep(team)
          return 1
        }
        if (kind === 5) {
          // Either may come first: what was allowed before or after may have been done.
          const beside = memberStep(team)
          await Promise.all([rowStep(user, team, beside), beside])
          note('race')
          return 2
        }
        await rowStep(user, team)
        return 1
      },

      /** The rows of every team are those that the allowed requests left. */
      async expectStored(what: string): Promise<void> {
        for (const { id, canary, places, sockets } of teams) {
          const stored = await storedBy(id)
          for (const [resource, { live, trash }] of places) {
            const rows = stored[resource.name] ?? []
            const ids = (isLive: boolean) =>
              rows.filter((row) => (row.deleted_at === null) === isLive).map((row) => String(row.id))
            expect(ids(true).toSorted(), what).toEqual([...live.keys()].toSorted())
            expect(ids(false).toSorted(), what).toEqual([...trash.keys()].toSorted())
            for (const row of rows) {
              const known = live.get(row.id)
              if (known) expect(row.revision, what).toBe(known.revision)
              for (const other of teams) {
                if (other.canary !== canary) expect(JSON.stringify(row), what).not.toContain(other.canary)
              }
            }
          }
          for (const { listener } of sockets) listener.close()
        }
      },
    }
  }
})

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
