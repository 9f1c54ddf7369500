import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { newMailbox } from '../openapi/mailbox.ts'
import worker from '../src/index.ts'
import { newAccount, newEmail, newLogin, PASSWORD } from './account.ts'
import { newId, newUser, tokenFor, type Json } from './client.ts'
import { expectProblem } from './collection.ts'
import { deploy } from './deployment.ts'
import { listen } from './listener.ts'
import { problemOf } from './stored.ts'
import { newTeam } from './team.ts'
import { inObjects } from './rows.ts'

const STRANGER = [403, 'not_your_path']
const TOO_LOW = [403, 'insufficient_role']
const LAST = [409, 'last_owner']
const LINK = [422, 'invalid_token_link']
const ROLES = ['viewer', 'editor', 'admin', 'owner'] as const

describe('a team', () => {
  test('is made by anybody, who owns it, and read, renamed under If-Match and deleted', async () => {
    const { id, owner, call } = await newTeam()
    const read = await call('GET')
    expect(read.body).toEqual({
      id: expect.stringMatching(/^team-[\da-f]{8}-[\da-f]{4}-7/),
      name: 'A team',
      role: 'owner',
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      revision: expect.any(Number),
    })
    expect([read.status, read.headers.get('ETag')]).toEqual([200, `"${read.body.revision}"`])
    const path = `/api/teams/${id}`
    const rename = (name: string, match: string) =>
      owner.request('PATCH', path, { name }, { 'If-Match': match })
    const renamed = await rename('Another', read.headers.get('ETag') ?? '')
    expect([renamed.status, renamed.body.name, renamed.body.role]).toEqual([200, 'Another', 'owner'])
    const stale = await rename('A third', read.headers.get('ETag') ?? '')
    expectProblem(stale, 412)
    expect(stale.headers.get('ETag')).toBe(renamed.headers.get('ETag'))
    expect((await owner.request('GET', '/api/teams')).body).toEqual({
      teams: [renamed.body],
      count: 1,
      next_cursor: null,
    })
    const conditional = await owner.request('GET', path, undefined, {
      'If-None-Match': renamed.headers.get('ETag') ?? '',
    })
    // The role is in it, too, and has no part in the revision.
    expect(conditional.status).toBe(200)
    const { body: happened } = await call('GET', '/activity')
    const events = happened.activity.map(({ event }: Json) => event)
    expect(events).toEqual(['team_renamed', 'team_created'])
    expect((await call('DELETE')).status).toBe(204)
    expect(problemOf(await call('GET'))).toEqual(STRANGER)
    expect((await owner.request('GET', '/api/teams')).body.teams).toEqual([])
  })

  test('is made once under an Idempotency-Key, for its maker alone', async () => {
    const [ada, bob] = [await newUser(), await newUser()]
    const make = (user: typeof ada, name = 'Once', key = 'a-key') =>
      user.request('POST', '/api/teams', { name }, { 'Idempotency-Key': key })
    const answers = await Promise.all(Array.from({ length: 20 }, () => make(ada)))
    for (const { status } of answers) expect(status).toBe(201)
    const replayed = answers.filter(({ headers }) => headers.get('Idempotent-Replayed') === 'true')
    expect([new Set(answers.map(({ body }) => body.id)).size, replayed.length]).toEqual([1, 19])
    const id = answers[0]?.body.id
    expect(replayed[0]?.headers.get('Location')).toBe(`/api/teams/${id}`)
    expect((await ada.request('GET', '/api/teams')).body.teams).toEqual([replayed[0]?.body])
    expect(problemOf(await make(ada, 'Twice'))).toEqual([422, 'key_reused'])
    expect(problemOf(await make(ada, 'Once', 'not visible'))).toEqual([400, 'malformed_key'])
    expect((await make(bob)).body.id).not.toBe(id)
    // It is as it is now, to who is in it.
    await ada.request('PATCH', `/api/teams/${id}`, { name: 'Renamed' })
    expect((await make(ada)).body).toMatchObject({ id, name: 'Renamed', role: 'owner' })
    await ada.request('DELETE', `/api/teams/${id}`)
    expect(problemOf(await make(ada))).toEqual([410, 'row_gone'])
  })

  test('is listed newest first, page by page', async () => {
    const owner = await newUser()
    const ids: string[] = []
    for (let at = 0; at < 3; at += 1) ids.unshift((await newTeam(owner)).id)
    const first = await owner.request('GET', '/api/v1/teams?limit=2')
    const second = await owner.request('GET', `/api/teams/?limit=2&cursor=${first.body.next_cursor}`)
    const found = [...first.body.teams, ...second.body.teams].map(({ id }: Json) => id)
    expect([found, second.body.next_cursor]).toEqual([ids, null])
  })

  test('refuses what is no name, knows its methods before the caller, and every id that is none', async () => {
    const user = await newUser()
    for (const body of [{}, { name: ' ' }, { name: 'x'.repeat(101) }, { name: 'a', role: 'owner' }]) {
      expectProblem(await user.request('POST', '/api/teams', body), 422)
    }
    const { status, headers } = await user.request('PUT', `/api/teams/team-${newId()}`)
    expect([status, headers.get('Allow')]).toEqual([405, 'GET, PATCH, DELETE, HEAD'])
    for (const id of ['team-1', `team-${crypto.randomUUID()}`, user.id, `team-${newId()}`]) {
      expect(problemOf(await user.request('GET', `/api/teams/${id}`))).toEqual(STRANGER)
      if (id === user.id) continue
      expect(problemOf(await user.request('GET', `/api/${id}/tasks`))).toEqual(STRANGER)
    }
    const team = await newUser(`team-${newId()}`)
    expect(problemOf(await team.request('GET', '/api/me/tasks'))).toEqual([401, 'invalid_token'])
  })
})

describe('a team’s rows', () => {
  test('are whose who may use them says, and say who made and wrote them', async () => {
    const { id, owner, member } = await newTeam()
    const [viewer, editor] = [await member('viewer'), await member('editor')]
    const base = `/api/${id}/tasks`
    const { status, body: task } = await editor.request('POST', base, { title: 'Ours' })
    expect([status, task.user_id, task.created_by, task.updated_by]).toEqual([201, id, editor.id, editor.id])
    const { body: changed } = await owner.request('PATCH', `${base}/${task.id}`, { title: 'Changed' })
    expect([changed.created_by, changed.updated_by]).toEqual([editor.id, owner.id])
    const lied = await editor.request('PUT', `${base}/${task.id}`, { ...changed, created_by: viewer.id })
    expect([lied.body.created_by, lied.body.updated_by]).toEqual([editor.id, editor.id])
    const { body: changes } = await viewer.request('GET', `/api/${id}/changes`)
    expect(changes.changes[0].data).toEqual(lied.body)
    expect((await viewer.request('GET', base)).body.tasks).toEqual([lied.body])
    const { body: exported } = await viewer.request('GET', `/api/${id}/export`)
    expect([exported.user_id, exported.team.role, exported.members.length]).toEqual([id, 'viewer', 3])
    expect([exported.tasks, 'activity' in exported]).toEqual([[lied.body], false])
    const { body: whole } = await owner.request('GET', `/api/${id}/export`)
    expect(whole.activity.map(({ event }: Json) => event).slice(0, 2)).toEqual(['exported', 'exported'])
    expect(whole.invitations).toEqual([])
    // `me` is always the caller's own.
    expect((await owner.call('GET', '/tasks')).body.tasks).toEqual([])
  })

  test('are read by one row more than a user’s own, and written by one more, in one round trip', async () => {
    const { id, owner } = await newTeam()
    const cost = ({ headers }: { headers: Headers }) =>
      ['x-d1-rows-read', 'x-d1-rows-written'].map((name) => Number(headers.get(name)))
    const ways = async (base: string) => {
      const created = await owner.request('POST', base, { title: 'One' })
      const path = `${base}/${created.body.id}`
      return [
        created,
        await owner.request('GET', path),
        await owner.request('GET', base),
        await owner.request('PATCH', path, { title: 'Two' }),
        await owner.request('DELETE', path),
      ].map(cost)
    }
    const own = await ways('/api/me/tasks')
    // An object remembers what D1 has said of a member.
    const more = inObjects ? 0 : 1
    expect(await ways(`/api/${id}/tasks`)).toEqual(own.map(([read = 0, written]) => [read + more, written]))
  })

  test('share no Idempotency-Key between members', async () => {
    const { id, owner, member } = await newTeam()
    const editor = await member('editor')
    const key = { 'Idempotency-Key': 'the-same' }
    const made = await Promise.all(
      [owner, editor].map((user) => user.request('POST', `/api/${id}/tasks`, { title: 'One' }, key)),
    )
    expect(made.map(({ status }) => status)).toEqual([201, 201])
    expect(made[0]?.body.id).not.toBe(made[1]?.body.id)
  })

  test('are refused to whoever is no member in whatever a request says, and its writes to a viewer', async () => {
    const { id, owner, member } = await newTeam()
    const [viewer, stranger] = [await member('viewer'), await newUser()]
    const { body: task } = await owner.request('POST', `/api/${id}/tasks`, { title: 'Ours' })
    const row = `/tasks/${task.id}`
    const ways: [method: string, path: string, body?: unknown][] = [
      ['POST', '/tasks', { title: 'Theirs' }],
      ['POST', '/tasks', { title: 7 }],
      ['POST', '/tasks', '{'],
      ['PATCH', row, {}],
      ['PATCH', row, { title: 'Theirs' }],
      ['PUT', row, { title: 'Theirs' }],
      ['PATCH', `${row}/complete`],
      ['DELETE', row],
      ['DELETE', `/tasks/${newId()}`],
      ['POST', `${row}/restore`],
      ['POST', '/tasks/bulk', { operations: [{ op: 'delete', id: task.id }] }],
      ['POST', `${row}/comments`, { body: 'Theirs' }],
      ['DELETE', ''],
    ]
    for (const [method, path, body] of ways) {
      const asked = (user: typeof viewer, headers = {}) =>
        user.request(method, `/api/${id}${path}`, body, headers)
      const key = { 'Idempotency-Key': newId() }
      expect([method, path, problemOf(await asked(stranger, key))]).toEqual([method, path, STRANGER])
      expect([method, path, problemOf(await asked(viewer, key))]).toEqual([method, path, TOO_LOW])
    }
    for (const [method, path] of [
      ['PATCH', ''],
      ['PATCH', `/members/${viewer.id}`],
      ['POST', '/invitations'],
      ['GET', '/members?limit=0'],
    ] as const) {
      const body = method === 'GET' ? undefined : {}
      const answer = await stranger.request(method, `/api/teams/${id}${path}`, body)
      expect([method, path, problemOf(answer)]).toEqual([method, path, STRANGER])
    }
    const reads = [
      '/tasks',
      '/tasks?limit=0',
      row,
      `${row}/comments`,
      '/comments',
      '/changes',
      '/changes?cursor=x',
    ]
    for (const path of [...reads, '/export', '/events', '/nothing']) {
      for (const method of ['GET', 'HEAD']) {
        const { status } = await stranger.request(method, `/api/${id}${path}`, undefined, {
          Accept: 'text/event-stream',
          'If-None-Match': `"${task.revision}"`,
        })
        expect([method, path, status]).toEqual([method, path, 403])
      }
    }
    const { body: after } = await viewer.request('GET', `/api/${id}${row}`)
    expect(after).toEqual(task)
    expect((await owner.request('GET', `/api/teams/${id}/activity`)).body.activity).not.toContainEqual(
      expect.objectContaining({ event: 'exported' }),
    )
  })

  test('are an administrator’s of the deployment, too, as a user’s are, and the team is told', async () => {
    const { id, owner, member } = await newTeam()
    await member('viewer')
    const admin = await newUser()
    const headers = { Authorization: `Bearer ${await tokenFor(admin.id, { role: 'admin' })}` }
    const made = await admin.request('POST', `/api/${id}/tasks`, { title: 'By hand' }, headers)
    expect([made.status, made.body.created_by]).toEqual([201, admin.id])
    expect((await admin.request('GET', `/api/teams/${id}/members`, undefined, headers)).body.count).toBe(2)
    const { body } = await owner.request('GET', `/api/teams/${id}/activity`)
    expect(body.activity[0]).toMatchObject({ event: 'admin_access', user_id: null })
    for (const method of ['GET', 'POST']) {
      const nowhere = await admin.request(
        method,
        `/api/team-${newId()}/tasks`,
        method === 'POST' ? { title: 'Nobody’s' } : undefined,
        headers,
      )
      expect(problemOf(nowhere)).toEqual([404, 'row_not_found'])
    }
    // In the team it counts for nothing what a token says: only the deployment's own role does.
    const liar = { Authorization: `Bearer ${await tokenFor(admin.id, { role: 'owner', team: id })}` }
    expect(problemOf(await admin.request('GET', `/api/${id}/tasks`, undefined, liar))).toEqual(STRANGER)
  })
})

describe('members', () => {
  test('are seen by each other, with an e-mail only when it is verified', async () => {
    const { id, member, owner } = await newTeam()
    const [known, unknown] = [await newAccount(), await newAccount()]
    await env.DB.prepare(`UPDATE users SET email_verified_at = created_at WHERE id = ?`).bind(known.id).run()
    for (const account of [known, unknown])
      await member(
        'viewer',
        await newUser(account.id).then((user) => ({ ...user, request: account.request })),
      )
    const { body } = await known.request('GET', `/api/teams/${id}/members`)
    const joined_at = expect.stringMatching(/Z$/)
    expect(body.members).toHaveLength(3)
    expect(body.members).toEqual(
      expect.arrayContaining([
        { user_id: owner.id, role: 'owner', joined_at },
        { user_id: known.id, email: known.email, role: 'viewer', joined_at },
        { user_id: unknown.id, role: 'viewer', joined_at },
      ]),
    )
    expect(body).toMatchObject({ count: 3, next_cursor: null })
    const first = await known.request('GET', `/api/teams/${id}/members?limit=2`)
    const rest = await known.request(
      'GET',
      `/api/teams/${id}/members?limit=2&cursor=${first.body.next_cursor}`,
    )
    expect([...first.body.members, ...rest.body.members]).toEqual(body.members)
  })

  test('have the role that is given to them, up to the giver’s own, and keep one above it', async () => {
    const team = await newTeam()
    const users = Object.fromEntries(
      await Promise.all(ROLES.map(async (role) => [role, await team.member(role)] as const)),
    )
    for (const [by, giver] of ROLES.entries()) {
      for (const [at, target] of ROLES.entries()) {
        for (const [to, role] of ROLES.entries()) {
          const other = users[target] ?? team.owner
          if (giver === target) continue
          const path = `/members/${other.id}`
          const answer = await team.call('PATCH', path, { role }, users[giver])
          const may = by >= 2 && by >= at && by >= to
          expect([giver, target, role, answer.status]).toEqual([giver, target, role, may ? 200 : 403])
          if (!may) expect(problemOf(answer)).toEqual(TOO_LOW)
          else expect(answer.body).toMatchObject({ user_id: other.id, role })
          await team.call('PATCH', path, { role: target })
        }
        if (giver === target || (by >= 2 && by >= at)) continue
        const removal = await team.call('DELETE', `/members/${users[target]?.id}`, undefined, users[giver])
        expect(problemOf(removal)).toEqual(TOO_LOW)
      }
      if (giver === 'owner') continue
      const raised = await team.call('PATCH', '/members/me', { role: 'owner' }, users[giver])
      expect(problemOf(raised)).toEqual(TOO_LOW)
    }
    expect(problemOf(await team.call('PATCH', `/members/${newId()}`, { role: 'viewer' }))).toEqual([
      404,
      'row_not_found',
    ])
    expect(problemOf(await team.call('DELETE', '/members/team-x'))).toEqual([404, 'row_not_found'])
    expectProblem(await team.call('PATCH', '/members/me', { role: 'former' }), 422)
  })

  test('leave, or are removed, and are nobody there with the very next request, until they are invited again', async () => {
    const { id, owner, call, member } = await newTeam()
    const [viewer, editor] = [await member('viewer'), await member('editor')]
    const { body: task } = await editor.request('POST', `/api/${id}/tasks`, { title: 'Ours' })
    const key = { 'Idempotency-Key': 'k' }
    expect((await editor.request('POST', `/api/${id}/tasks`, { title: 'Two' }, key)).status).toBe(201)
    expect((await call('DELETE', '/members/me', undefined, viewer)).status).toBe(204)
    expect((await call('DELETE', `/members/${editor.id}`)).status).toBe(204)
    for (const user of [viewer, editor]) {
      expect(problemOf(await user.request('GET', `/api/${id}/tasks/${task.id}`))).toEqual(STRANGER)
      expect(problemOf(await user.request('POST', `/api/${id}/tasks`, { title: 'Two' }, key))).toEqual(
        STRANGER,
      )
      expect(problemOf(await user.request('GET', `/api/teams/${id}`))).toEqual(STRANGER)
      expect((await user.request('GET', '/api/teams')).body.teams).toEqual([])
    }
    expect(problemOf(await call('DELETE', `/members/${editor.id}`))).toEqual([404, 'row_not_found'])
    expect((await call('GET', '/members')).body.count).toBe(1)
    await member('viewer', editor)
    expect((await editor.request('GET', `/api/${id}/tasks/${task.id}`)).body.created_by).toBe(editor.id)
    const events = (await call('GET', '/activity')).body.activity
    expect(
      events.map(({ event, user_id, member_id, role }: Json) => [event, user_id, member_id, role]),
    ).toEqual([
      ['joined', editor.id, null, 'viewer'],
      ['invited', owner.id, null, 'viewer'],
      ['removed', owner.id, editor.id, null],
      ['left', viewer.id, null, null],
      ['joined', editor.id, null, 'editor'],
      ['invited', owner.id, null, 'editor'],
      ['joined', viewer.id, null, 'viewer'],
      ['invited', owner.id, null, 'viewer'],
      ['team_created', owner.id, null, null],
    ])
    expect(problemOf(await call('GET', '/activity', undefined, editor))).toEqual(TOO_LOW)
  })

  test('always have an owner, also when two step down at once', async () => {
    const { call, owner, member } = await newTeam()
    expect(problemOf(await call('PATCH', '/members/me', { role: 'viewer' }))).toEqual(LAST)
    expect(problemOf(await call('DELETE', '/members/me'))).toEqual(LAST)
    for (let round = 0; round < 5; round += 1) {
      const second = await member('owner')
      const leaving = await Promise.all([
        call('DELETE', '/members/me', undefined, second),
        call('PATCH', '/members/me', { role: 'viewer' }),
      ])
      expect(leaving.filter(({ status }) => status === 409)).toHaveLength(1)
      const { body } = await call('GET', '/members')
      const owners = body.members.filter(({ role }: Json) => role === 'owner')
      expect(owners).toHaveLength(1)
      if (owners[0].user_id === owner.id) continue
      await call('PATCH', `/members/${owner.id}`, { role: 'owner' }, second)
      await call('DELETE', '/members/me', undefined, second)
    }
  })

  test('lose their connections with their membership or their role, at once', async () => {
    const { id, call, member, owner } = await newTeam()
    const [viewer, editor, admin] = [await member('viewer'), await member('editor'), await member('admin')]
    const events = `/api/${id}/events`
    const heard = await Promise.all([viewer, editor, admin].map((user) => listen(events, user.authorization)))
    const { body: task } = await editor.request('POST', `/api/${id}/tasks`, { title: 'Told' })
    for (const { next } of heard) expect((await next()).revisions).toEqual({ tasks: task.revision })
    const own = await listen('/api/me/events', viewer.authorization)
    await call('DELETE', `/members/${viewer.id}`)
    await call('PATCH', `/members/${editor.id}`, { role: 'viewer' })
    expect(await Promise.all(heard.slice(0, 2).map(({ closed }) => closed))).toEqual([4403, 4403])
    await expect(listen(events, viewer.authorization)).rejects.toThrow('403')
    // With a session, too, which is looked at as well.
    const { access } = await newAccount()
    await expect(listen(events, { Authorization: `Bearer ${access}` })).rejects.toThrow('403')
    await listen(events, editor.authorization)
    await owner.request('POST', `/api/${id}/tasks`, { title: 'Told' })
    await heard[2]?.next()
    expect(heard[0]?.messages).toHaveLength(2)
    await viewer.call('POST', '/tasks', { title: 'Mine' })
    await own.next(({ type }) => type === 'changed')
    await call('DELETE')
    expect(await heard[2]?.closed).toBe(4410)
  })
})

describe('an invitation', () => {
  test('is shown once, kept hashed, listed, withdrawn, and good once however many use it at once', async () => {
    const { id, call, owner } = await newTeam()
    const made = await call('POST', '/invitations', { role: 'editor' })
    const { token, ...shown } = made.body
    expect(made.status).toBe(201)
    expect(shown).toEqual({
      id: expect.any(String),
      role: 'editor',
      email: null,
      invited_by: owner.id,
      created_at: expect.any(String),
      expires_at: expect.any(String),
    })
    expect(Date.parse(shown.expires_at) - Date.parse(shown.created_at)).toBe(7 * 86_400_000)
    expect((await call('GET', '/invitations')).body.invitations).toEqual([shown])
    const { results } = await env.DB.prepare('SELECT * FROM team_invitations').all()
    expect(JSON.stringify(results)).not.toContain(token)

    const users = await Promise.all(Array.from({ length: 50 }, () => newUser()))
    const accepted = await Promise.all(
      users.map((user) => user.request('POST', '/api/invitations/accept', { token })),
    )
    expect(accepted.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const answer of accepted) if (answer.status !== 200) expect(problemOf(answer)).toEqual(LINK)
    expect((await call('GET', '/members')).body.count).toBe(2)

    const { body: other } = await call('POST', '/invitations', { role: 'viewer' })
    expect((await call('DELETE', `/invitations/${other.id}`)).status).toBe(204)
    expect(problemOf(await call('DELETE', `/invitations/${other.id}`))).toEqual([404, 'row_not_found'])
    const { body: happened } = await call('GET', '/activity')
    const withdrawn = happened.activity.filter(({ event }: Json) => event === 'invitation_withdrawn')
    expect(withdrawn).toHaveLength(1)
    const stranger = await newUser()
    for (const bad of [other.token, token, 'x', `${token}A`, id]) {
      expect(problemOf(await stranger.request('POST', '/api/invitations/accept', { token: bad }))).toEqual(
        LINK,
      )
    }
    expectProblem(await stranger.request('POST', '/api/invitations/accept', {}), 422)
  })

  test('expires after a week, and is purged then', async () => {
    const { id, call } = await newTeam()
    const { body } = await call('POST', '/invitations', { role: 'viewer' })
    await env.DB.prepare(
      `UPDATE team_invitations SET expires_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 seconds') WHERE team_id = ?`,
    )
      .bind(id)
      .run()
    const user = await newUser()
    expect(problemOf(await user.request('POST', '/api/invitations/accept', { token: body.token }))).toEqual(
      LINK,
    )
    expect((await call('GET', '/invitations')).body.count).toBe(0)
    await worker.scheduled(createScheduledController(), env)
    const left = await env.DB.prepare('SELECT 1 FROM team_invitations WHERE team_id = ?').bind(id).all()
    expect(left.results).toEqual([])
  })

  test('is never into a role above the giver’s, nor outlives the giver’s own', async () => {
    const { call, member } = await newTeam()
    const [admin, editor] = [await member('admin'), await member('editor')]
    expect(problemOf(await call('POST', '/invitations', { role: 'owner' }, admin))).toEqual(TOO_LOW)
    expect(problemOf(await call('POST', '/invitations', { role: 'viewer' }, editor))).toEqual(TOO_LOW)
    expect(problemOf(await call('GET', '/invitations', undefined, editor))).toEqual(TOO_LOW)
    const { body: high } = await call('POST', '/invitations', { role: 'admin' }, admin)
    const { body: low } = await call('POST', '/invitations', { role: 'viewer' }, admin)
    await call('PATCH', `/members/${admin.id}`, { role: 'editor' })
    const user = await newUser()
    const accept = (token: string) => user.request('POST', '/api/invitations/accept', { token })
    expect(problemOf(await accept(high.token))).toEqual(LINK)
    await call('DELETE', `/members/${admin.id}`)
    expect(problemOf(await accept(low.token))).toEqual(LINK)
  })

  test('changes nothing for a member, and is not used up by one', async () => {
    const { call, owner, member } = await newTeam()
    const viewer = await member('viewer')
    const { body } = await call('POST', '/invitations', { role: 'admin' })
    for (const user of [viewer, owner]) {
      const answer = await user.request('POST', '/api/invitations/accept', { token: body.token })
      expect(problemOf(answer)).toEqual([409, 'already_member'])
    }
    expect((await call('GET', '/members')).body.members.map(({ role }: Json) => role).toSorted()).toEqual([
      'owner',
      'viewer',
    ])
    const newcomer = await newUser()
    expect((await newcomer.request('POST', '/api/invitations/accept', { token: body.token })).status).toBe(
      200,
    )
  })

  test('for an address is mailed there, and good only in an account that has proved it', async () => {
    const mailbox = newMailbox()
    const app = deploy({ EMAIL: mailbox.EMAIL, MAIL_FROM: 'Freehold <freehold@example.com>' })
    const { id, owner } = await newTeam()
    const email = newEmail()
    const invited = await app('POST', `/api/teams/${id}/invitations`, {
      body: { role: 'editor', email: email.toUpperCase() },
      headers: owner.authorization,
    })
    expect([invited.status, invited.body.email]).toEqual([201, email])
    const [mail] = await mailbox.to(email)
    expect(mail?.text).toContain('“A team”')
    const token = await mailbox.token('invitation', email)
    expect(token).toBe(invited.body.token)

    const refused = [403, 'not_your_invitation']
    const accept = (
      request: (method: string, path: string, body: unknown) => Promise<Parameters<typeof problemOf>[0]>,
    ) => request('POST', '/api/invitations/accept', { token })
    const [other, foreign] = [await newAccount(), await newUser()]
    await env.DB.prepare('UPDATE users SET email_verified_at = created_at WHERE id = ?').bind(other.id).run()
    expect(problemOf(await accept(other.request))).toEqual(refused)
    expect(problemOf(await accept(foreign.request))).toEqual(refused)
    await app('POST', '/api/auth/register', { body: { email, password: PASSWORD } })
    const { request } = await newLogin(email)
    expect(problemOf(await accept(request))).toEqual(refused)
    await app('POST', '/api/auth/email/verify', { body: { token: await mailbox.token('verify', email) } })
    expect((await accept(request)).status).toBe(200)

    const none = deploy({ ACCOUNTS: 'off' })
    const off = await none('POST', `/api/teams/${id}/invitations`, {
      body: { role: 'viewer', email },
      headers: owner.authorization,
    })
    expect(problemOf(off)).toEqual([404, 'accounts_off'])
    const link = await none('POST', `/api/teams/${id}/invitations`, {
      body: { role: 'viewer' },
      headers: owner.authorization,
    })
    expect(link.status).toBe(201)
  })
})
