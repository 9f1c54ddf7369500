import * as z from 'zod'

/** A request on its way to the Worker. */
export interface Request {
  method: string
  path: string
  headers: Record<string, string>
  body?: string
}

/** An answer on its way back. */
export interface Reply {
  status: number
  headers: Record<string, string>
  text: string
}

type Forward = (request: Request) => Promise<Reply>

/** Something that a deployment may do wrong. */
export interface Fault {
  name: string
  /** `subject: name` of the checks that must fail, and no others. */
  expected: readonly string[]
  /** Does it, to one run. */
  plant: () => (request: Request, forward: Forward) => Promise<Reply>
}

/** What shows that a former member is still let in. */
const NEXT_REQUEST = ['teams: a removed member is a stranger with the very next request']

const ROW = /^\/api\/me\/\w+\/[\da-f-]{36}$/
const json = z.looseObject({})

/** Faults as they happen: forgotten headers, lost conditions, leaks. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'answers do not vary by Origin',
    expected: ['cors: every answer of the API varies by Origin'],
    plant: () => async (request, forward) => without(await forward(request), 'vary'),
  },
  {
    name: "another user's row is found by its id",
    expected: ["isolation: another user's row is the same 404 as one that does not exist"],
    plant: () =>
      withOwners((owner) => async (request, forward) => {
        const reply = await forward(request)
        const authorization = owner(request)
        if (request.method !== 'GET' || reply.status !== 404 || !authorization) return reply
        return forward({ ...request, headers: { ...request.headers, authorization } })
      }),
  },
  {
    name: "another user's row is a 403",
    expected: ["isolation: another user's row is the same 404 as one that does not exist"],
    plant: () =>
      withOwners((owner) => async (request, forward) => {
        const reply = await forward(request)
        if (request.method !== 'GET' || reply.status !== 404 || !owner(request)) return reply
        return edited({ ...reply, status: 403 }, (body) => ({ ...body, status: 403 }))
      }),
  },
  {
    name: 'a path is served to anyone',
    expected: ["isolation: another user's path is the same 403 whether or not that user exists"],
    plant: () => async (request, forward) => {
      const reply = await forward(request)
      const open =
        reply.status === 403 && request.method === 'GET' && /^\/api\/a-[\w-]+\/projects$/.test(request.path)
      return open ? forward({ ...request, path: '/api/me/projects' }) : reply
    },
  },
  {
    name: 'a stale If-Match is ignored by PUT',
    expected: ['preconditions: a stale If-Match is a 412 with the current ETag, and changes nothing'],
    plant: () => async (request, forward) => {
      const stale = request.method === 'PUT' && /^"\d+"$/.test(request.headers['if-match'] ?? '')
      return forward(stale ? withoutHeader(request, 'if-match') : request)
    },
  },
  {
    name: 'If-Match is checked before the write instead of with it',
    expected: ['concurrency: of 50 PATCHes at once with one If-Match, one wins and the others are 412'],
    plant() {
      let underWay = 0
      return async (request, forward) => {
        if (request.method !== 'PATCH') return forward(request)
        underWay += 1
        const raced = underWay > 1
        return forward(raced ? withoutHeader(request, 'if-match') : request).finally(() => (underWay -= 1))
      }
    },
  },
  {
    name: 'Idempotency-Key is ignored',
    expected: [
      'concurrency: 50 creates at once under one Idempotency-Key make one row',
      'idempotency: a bulk sent again under its key does nothing more',
      'idempotency: a key with another body is a 422',
      'idempotency: a malformed key is a 400',
      'idempotency: the same Idempotency-Key and body answer with the same row, replayed',
    ],
    plant: () => async (request, forward) => forward(withoutHeader(request, 'idempotency-key')),
  },
  {
    name: 'a page loses its last row',
    expected: ['lists: pages neither skip nor repeat a row, in every order'],
    plant: () => async (request, forward) => {
      const reply = await forward(request)
      if (request.method !== 'GET' || !/projects\?/.test(request.path) || /offset=/.test(request.path))
        return reply
      return edited(reply, ({ projects, ...rest }) =>
        Array.isArray(projects) && typeof rest.next_cursor === 'string' && projects.length > 1
          ? { ...rest, projects: Array.from<unknown>(projects).slice(0, -1), count: projects.length - 1 }
          : { ...rest, projects },
      )
    },
  },
  {
    name: 'a 401 does not say how to authenticate',
    expected: ['identity: every 401 says how to authenticate, and that a token was invalid'],
    plant: () => async (request, forward) => without(await forward(request), 'www-authenticate'),
  },
  {
    name: 'a bulk is done one by one',
    expected: ['bulk: one operation that fails undoes all, and the problem names its index'],
    plant: () => oneByOne,
  },
  {
    name: 'an error tells of SQL',
    expected: ['errors: no answer tells of SQL, stacks, tokens or what runs here'],
    plant: () => async (request, forward) => {
      const reply = await forward(request)
      if (reply.status !== 409) return reply
      return edited(reply, (body) => ({ ...body, detail: 'D1_ERROR: UNIQUE constraint failed: projects.id' }))
    },
  },
  {
    name: 'sync leaves out deletions',
    expected: ['sync: two clients that write in turn converge on what the lists hold'],
    plant: () => async (request, forward) => {
      const reply = await forward(request)
      if (!/\/changes\b/.test(request.path) || reply.status !== 200) return reply
      return edited(reply, ({ changes, ...rest }) => {
        const kept = z.array(z.looseObject({ deleted: z.boolean() })).parse(changes)
        return { ...rest, changes: kept.filter(({ deleted }) => !deleted) }
      })
    },
  },
  {
    name: 'the documentation loads a script of another host',
    expected: ['docs: the pages and what they load name no other host'],
    plant: () => async (request, forward) => {
      const reply = await forward(request)
      const text = reply.text.replace(
        '</body>',
        '<script src="https://cdn.example.com/x.js"></script></body>',
      )
      return request.path.startsWith('/docs') ? { ...reply, text } : reply
    },
  },
  {
    name: 'errors lack a security header',
    expected: ['headers: every answer has the security headers'],
    plant: () => async (request, forward) => {
      const reply = await forward(request)
      return reply.status >= 400 ? without(reply, 'x-content-type-options') : reply
    },
  },
  {
    name: 'any origin is allowed',
    expected: ['cors: no other origin is allowed anything, in answers and errors alike'],
    plant: () => async (request, forward) => {
      const reply = await forward(request)
      const { origin } = request.headers
      return origin
        ? { ...reply, headers: { ...reply.headers, 'access-control-allow-origin': origin } }
        : reply
    },
  },
  {
    name: "a team's guard is missing",
    expected: [
      'teams: whoever is no member gets the 403 of any foreign path',
      'teams: a removed member’s connection closes with 4403',
      ...NEXT_REQUEST,
    ],
    plant: () => inTeams(({ type }) => type === 'not_your_path'),
  },
  {
    name: 'the role in a team is the one that a token was made with',
    expected: ['teams: a viewer reads and does not write; an editor may be let to'],
    plant: () => inTeams(({ type, isOfRows }) => type === 'insufficient_role' && isOfRows),
  },
  {
    name: 'a removed member goes on as before',
    expected: NEXT_REQUEST,
    plant: () => inTeams(({ type, wasMember }) => type === 'not_your_path' && wasMember),
  },
  {
    name: 'an administrator of a team may do what its owner may',
    expected: ['teams: no role is raised above the giver’s, and an owner stays'],
    plant: () => inTeams(({ type, isOfRows }) => type === 'insufficient_role' && !isOfRows),
  },
  {
    name: 'an invitation is good again',
    expected: ['teams: an invitation is good once, and of 50 at once one succeeds'],
    plant() {
      const accepted = new Map<string, Reply>()
      return async (request, forward) => {
        const reply = await forward(request)
        if (!request.path.endsWith('/invitations/accept')) return reply
        if (reply.status === 200) accepted.set(request.body ?? '', reply)
        return accepted.get(request.body ?? '') ?? reply
      }
    },
  },
]

/** A request to a team that was refused. */
interface Refusal {
  type: string | undefined
  /** Whether it is about the team's rows, rather than the team. */
  isOfRows: boolean
  /** Whether the caller was let in before. */
  wasMember: boolean
}

/** Lets some refused requests to teams through, as whoever made the team. */
function inTeams(passes: (refusal: Refusal) => boolean) {
  const makers = new Map<string, string>()
  const members = new Set<string>()
  return async (request: Request, forward: Forward): Promise<Reply> => {
    const reply = await forward(request)
    const { authorization = '' } = request.headers
    if (request.path === '/api/teams' && reply.status === 201) {
      makers.set(teamIn(reply.headers.location) ?? '', authorization)
    }
    const team = teamIn(request.path)
    const maker = makers.get(team ?? '')
    if (!team || !maker) return reply
    if (reply.status < 400) members.add(`${team} ${authorization}`)
    if (reply.status !== 403) return reply
    const refusal: Refusal = {
      type: String(json.parse(JSON.parse(reply.text)).type).split('#')[1],
      isOfRows: !request.path.startsWith('/api/teams/'),
      wasMember: members.has(`${team} ${authorization}`),
    }
    if (!passes(refusal)) return reply
    return forward({ ...request, headers: { ...request.headers, authorization: maker } })
  }
}

/** The id of a team in a path. */
function teamIn(path = ''): string | undefined {
  return /\/(team-[\da-f-]{36})/.exec(path)?.[1]
}

/** Knows whose credentials made a row, when they are not the request's own. */
function withOwners(
  plant: (
    owner: (request: Request) => string | undefined,
  ) => (request: Request, forward: Forward) => Promise<Reply>,
) {
  const owners = new Map<string, string>()
  const intercept = plant(({ path, headers }) => {
    const owner = ROW.test(path) ? owners.get(path) : undefined
    return owner === headers.authorization ? undefined : owner
  })
  return async (request: Request, forward: Forward): Promise<Reply> => {
    const reply = await intercept(request, forward)
    const { location } = reply.headers
    if (reply.status === 201 && location) owners.set(location, request.headers.authorization ?? '')
    return reply
  }
}

async function oneByOne(request: Request, forward: Forward): Promise<Reply> {
  const operations = request.path.endsWith('/bulk') ? operationsOf(request.body ?? '') : undefined
  if (!operations || operations.length < 2 || operations.length > 100) return forward(request)
  const results: unknown[] = []
  let last: Reply | undefined
  for (const [index, operation] of operations.entries()) {
    last = await forward({ ...request, body: JSON.stringify({ operations: [operation] }) })
    if (last.status !== 200) return edited(last, (body) => ({ ...body, index }))
    results.push(...z.object({ results: z.array(z.unknown()) }).parse(JSON.parse(last.text)).results)
  }
  return last ? edited(last, () => ({ results })) : forward(request)
}

function operationsOf(body: string): unknown[] | undefined {
  try {
    return z.object({ operations: z.array(z.unknown()) }).safeParse(JSON.parse(body)).data?.operations
  } catch {
    return undefined
  }
}

function without(reply: Reply, header: string): Reply {
  return {
    ...reply,
    headers: Object.fromEntries(Object.entries(reply.headers).filter(([name]) => name !== header)),
  }
}

function withoutHeader(request: Request, header: string): Request {
  const headers = Object.entries(request.headers).filter(([name]) => name !== header)
  return { ...request, headers: Object.fromEntries(headers) }
}

/** A reply with another JSON body, if it has one. */
function edited(reply: Reply, edit: (body: Record<string, unknown>) => unknown): Reply {
  if (!/json/.test(reply.headers['content-type'] ?? '')) return reply
  return { ...reply, text: JSON.stringify(edit(json.parse(JSON.parse(reply.text)))) }
}
