import * as z from 'zod'
import { newId } from './bodies.ts'
import type { Answer, User } from './client.ts'
import { METHODS } from './document.ts'
import { listenBySocket } from './ears.ts'
import { expectEqual, expectProblem, expectRow, expectStatus, parsedAs } from './expect.ts'
import { check, checkEach, prepareFor, rowsAt, rowsOf, type Run } from './run.ts'

const shown = z.looseObject({ id: z.string(), name: z.string(), role: z.string(), revision: z.number() })
const invited = z.looseObject({ id: z.string(), token: z.string() })
const membership = z.object({
  members: z.array(z.looseObject({ user_id: z.string(), role: z.string(), joined_at: z.string() })),
})

/** A team of this run, and how its first owner asks for what is below `/api/teams/{id}`. */
interface Team {
  id: string
  /** Its owner, as the owner of its rows. */
  rows: User
  ask: (method: string, path?: string, body?: unknown, as?: User) => Promise<Answer>
}

/** Teams: whose rows they are, who may do what with them, and who says so (contract §13). Needs two users. */
export async function teams(run: Run): Promise<void> {
  const { mine, other } = run
  const about = 'what members of a team may do'
  const absent = !('/api/teams' in run.api.document.paths)
  if (!other || absent) {
    const reason = absent ? 'this deployment has no teams' : 'it takes two users: give --token twice'
    run.report.add({ subject: 'teams', name: about, outcome: 'not checked', reason })
    return
  }
  const made: Team[] = []
  try {
    await check(run, 'teams', 'a team is its maker’s, renamed under If-Match, and listed', async () => {
      await itself(run, await newTeam(run, made))
    })
    await check(run, 'teams', 'whoever is no member gets the 403 of any foreign path', async () => {
      await strangers(run, await newTeam(run, made), other)
    })
    const shared = await newTeam(run, made)
    let ready = false
    await check(run, 'teams', 'rows are made in a team as for a user', async () => {
      await prepareFor(run, shared.rows, `/api/${shared.id}`)
      ready = true
    })
    if (ready) await roles(run, shared, other)
    await check(run, 'teams', 'an invitation is good once, and of 50 at once one succeeds', async () => {
      await invitations(await newTeam(run, made), run, other)
    })
    await check(run, 'teams', 'no role is raised above the giver’s, and an owner stays', async () => {
      await ladder(run, await newTeam(run, made), other)
    })
    await check(run, 'teams', 'a removed member’s connection closes with 4403', async () => {
      await sockets(run, await newTeam(run, made), other)
    })
    await check(run, 'teams', 'a deleted team is nobody’s', async () => {
      const team = await newTeam(run, made)
      await join(run, team, 'viewer', other)
      const row = await run.client.get(`/api/${team.id}/changes`, other)
      expectStatus(row, 200)
      expectStatus(await team.ask('DELETE'), 204)
      for (const user of [mine, other])
        expectProblem(await run.client.get(`/api/${team.id}/changes`, user), 403)
    })
  } finally {
    for (const team of made) await team.ask('DELETE')
  }
}

async function newTeam({ client, mine }: Run, made: Team[]): Promise<Team> {
  const answer = await client.send({ method: 'POST', path: '/api/teams', as: mine, body: { name: 'Verify' } })
  const { id } = parsedAs(shown, expectStatus(answer, 201), 'id, name, role, revision')
  const team: Team = {
    id,
    rows: { ...mine, id },
    ask: (method, path = '', body, as = mine) =>
      client.send({ method, path: `/api/teams/${id}${path}`, as, body }),
  }
  made.push(team)
  return team
}

async function invite(team: Team, role: string): Promise<string> {
  const answer = expectStatus(await team.ask('POST', '/invitations', { role }), 201)
  return parsedAs(invited, answer, 'id and token').token
}

function accept({ client }: Run, token: string, as: User): Promise<Answer> {
  return client.send({ method: 'POST', path: '/api/invitations/accept', as, body: { token } })
}

async function join(run: Run, team: Team, role: string, user: User): Promise<void> {
  const answer = expectStatus(await accept(run, await invite(team, role), user), 200)
  expectEqual(parsedAs(shown, answer, 'the team').role, role, 'the role', answer)
}

async function itself({ client, mine }: Run, { id, ask }: Team): Promise<void> {
  const read = expectStatus(await ask('GET'), 200)
  const team = parsedAs(shown, read, 'id, name, role, revision')
  expectEqual(
    [team.id, team.role, read.headers.get('ETag')],
    [id, 'owner', `"${team.revision}"`],
    'id, role, ETag',
    read,
  )
  const rename = (name: string) =>
    client.send({
      method: 'PATCH',
      path: `/api/teams/${id}`,
      as: mine,
      body: { name },
      headers: { 'If-Match': `"${team.revision}"` },
    })
  expectStatus(await rename('Verified'), 200)
  expectProblem(await rename('Again'), 412)
  const list = expectStatus(await client.get('/api/teams?limit=100', mine), 200)
  const { teams: listed } = parsedAs(z.object({ teams: z.array(shown) }), list, 'teams')
  expectEqual(listed.find((one) => one.id === id)?.name, 'Verified', 'the name in the list', list)
  expectProblem(await ask('POST'), 405)
}

/** Every path of the API, as somebody who is not in the team: the same as for a team that is none. */
async function strangers(run: Run, team: Team, stranger: User): Promise<void> {
  for (const [path, item] of Object.entries(run.api.document.paths)) {
    if (!/^\/api\/(\{user_id\}|teams\/\{team_id\})/.test(path)) continue
    for (const method of METHODS.filter((one) => item[one])) {
      const to = (id: string) =>
        run.client.send({
          method: method.toUpperCase(),
          path: path.replace(/\{(user|team)_id\}/, id).replaceAll(/\{\w+\}/g, newId()),
          as: stranger,
          body: item[method]?.requestBody ? {} : undefined,
          headers: { Accept: 'text/event-stream' },
        })
      // Also where the body is not valid: that is for members to hear.
      expectProblem(await to(team.id), 403)
      expectProblem(await to(`team-${newId()}`), 403)
    }
  }
  expectProblem(await team.ask('PATCH', '', { name: 'Taken' }, stranger), 403)
  expectProblem(await team.ask('POST', '/invitations', { role: 'viewer' }, stranger), 403)
}

/** What each role may do with the rows of every collection, and that it holds for the very next request. */
async function roles(run: Run, team: Team, member: User): Promise<void> {
  await join(run, team, 'viewer', member)
  const base = `/api/${team.id}`
  const become = async (role: string) =>
    expectStatus(await team.ask('PATCH', `/members/${encodeURIComponent(member.id)}`, { role }), 200)

  await checkEach(
    run,
    'teams',
    'a viewer reads and does not write; an editor may be let to',
    async (rows) => {
      const theirs = await rowsOf(run, rows.resource, team.rows, base)
      const row = await theirs.create()
      const at = rowsAt(run.client, rows.resource, member, theirs.path, theirs.make)
      await become('viewer')
      for (const path of ['', `/${row.id}`]) expectStatus(await at.send('GET', path), 200)
      expectStatus(await run.client.get(`${base}/changes`, member), 200)
      const key = { 'Idempotency-Key': newId() }
      const writes: [method: string, suffix: string, body?: unknown][] = [
        ['POST', '', theirs.make.full()],
        ['PATCH', `/${row.id}`, theirs.make.change()],
        ['PUT', `/${row.id}`, theirs.make.full()],
        ['DELETE', `/${row.id}`],
        ['POST', `/${row.id}/restore`],
        ['POST', '/bulk', { operations: [{ op: 'delete', id: row.id }] }],
      ]
      for (const [method, suffix, body] of writes)
        expectProblem(await at.send(method, suffix, body, key), 403)
      const after = expectStatus(await theirs.send('GET', `/${row.id}`), 200)
      expectEqual(expectRow(after), row, 'the row as it was,', after)

      // A declaration may ask for an administrator, and never for more than an owner.
      await become('owner')
      const made = await at.send('POST', '', theirs.make.full())
      const { created_by, updated_by, user_id } = expectRow(made, 201)
      expectEqual(
        [user_id, created_by, updated_by],
        [team.id, member.id, member.id],
        'the team, and who made it',
        made,
      )
      const changed = await theirs.send('PATCH', `/${expectRow(made, 201).id}`, theirs.make.change())
      const now = expectRow(changed)
      expectEqual(
        [now.created_by, now.updated_by],
        [member.id, run.mine.id],
        'who made it, who changed it',
        changed,
      )
    },
  )

  await check(run, 'teams', 'a removed member is a stranger with the very next request', async () => {
    expectStatus(await run.client.get(`${base}/changes`, member), 200)
    expectStatus(await team.ask('DELETE', `/members/${encodeURIComponent(member.id)}`), 204)
    expectProblem(await run.client.get(`${base}/changes`, member), 403)
    expectProblem(await team.ask('GET', '', undefined, member), 403)
  })
}

async function invitations(team: Team, run: Run, newcomer: User): Promise<void> {
  const token = await invite(team, 'viewer')
  const answers = await Promise.all(Array.from({ length: 50 }, () => accept(run, token, newcomer)))
  expectEqual(answers.filter(({ status }) => status === 200).length, 1, 'successes of 50', answers[0])
  for (const answer of answers) expectStatus(answer, 200, 409, 422)
  const list = expectStatus(await team.ask('GET', '/members'), 200)
  expectEqual(parsedAs(membership, list, 'members').members.length, 2, 'members', list)
  expectStatus(await team.ask('DELETE', '/members/me', undefined, newcomer), 204)
  expectProblem(await accept(run, token, newcomer), 422)
  expectProblem(await accept(run, 'no-such-token', newcomer), 422)
  // Nobody has proved this address.
  const email = `verify-${newId()}@example.com`
  const sent = await team.ask('POST', '/invitations', { role: 'viewer', email })
  if (sent.status !== 404) {
    const { token: addressed } = parsedAs(invited, expectStatus(sent, 201), 'id and token')
    expectProblem(await accept(run, addressed, newcomer), 403)
  }
}

async function ladder(run: Run, team: Team, admin: User): Promise<void> {
  await join(run, team, 'admin', admin)
  const owner = `/members/${encodeURIComponent(run.mine.id)}`
  expectProblem(await team.ask('POST', '/invitations', { role: 'owner' }, admin), 403)
  expectProblem(await team.ask('PATCH', '/members/me', { role: 'owner' }, admin), 403)
  expectProblem(await team.ask('PATCH', owner, { role: 'viewer' }, admin), 403)
  expectProblem(await team.ask('DELETE', owner, undefined, admin), 403)
  expectProblem(await team.ask('DELETE', '', undefined, admin), 403)
  expectProblem(await team.ask('PATCH', '/members/me', { role: 'viewer' }), 409)
  expectProblem(await team.ask('DELETE', '/members/me'), 409)
  const theirs = `/members/${encodeURIComponent(admin.id)}`
  expectStatus(await team.ask('PATCH', theirs, { role: 'owner' }), 200)
  const down = await Promise.all(
    [run.mine, admin].map((as) => team.ask('PATCH', '/members/me', { role: 'admin' }, as)),
  )
  expectEqual(
    down.map(({ status }) => status).toSorted((one, next) => one - next),
    [200, 409],
    'two owners stepping down at once:',
    down[0],
  )
  // The run's first user has to be able to delete it.
  if (down[0]?.status === 200) expectStatus(await team.ask('PATCH', owner, { role: 'owner' }, admin), 200)
}

async function sockets(run: Run, team: Team, member: User): Promise<void> {
  const path = `/api/${team.id}/events`
  if ((await run.client.get('/api/me/events', run.mine)).status === 404) return
  await join(run, team, 'viewer', member)
  const ears = await listenBySocket(run, member, team.id)
  try {
    expectStatus(await team.ask('DELETE', `/members/${encodeURIComponent(member.id)}`), 204)
    expectEqual(await ears.closed(), 4403, 'the code')
    expectProblem(await run.client.get(path, member), 403)
  } finally {
    ears.close()
  }
}
