import { expect, test } from 'vitest'
import { createClient } from '../../client/src/index.ts'
import { tokenFor } from '../client.ts'
import { network, type FaultOf } from './network.ts'

/** A client of somebody nobody was before. */
async function newcomer(faultOf?: FaultOf) {
  const id = `user-${crypto.randomUUID()}`
  const { fetch } = network(faultOf)
  return {
    id,
    client: createClient({ baseUrl: 'https://api.test', token: await tokenFor(id), fetch, backoff: 1 }),
  }
}

test('a team is made, shared by an invitation, and its rows are those of owner(id)', async () => {
  const [ada, bob] = [await newcomer(), await newcomer()]
  const { id } = await ada.client.teams.create('Garden')
  const { token, ...invitation } = await ada.client.teams.invite(id, { role: 'editor' })
  expect((await ada.client.teams.invitations(id)).invitations).toEqual([invitation])
  expect(await bob.client.teams.accept(token)).toMatchObject({ id, role: 'editor', name: 'Garden' })
  const task = await bob.client.owner(id).post('/tasks', { body: { title: 'Turn the compost' } })
  expect([task.user_id, task.created_by]).toEqual([id, bob.id])
  expect((await ada.client.owner(id).get('/tasks')).tasks).toEqual([task])
  expect((await bob.client.get('/tasks')).tasks).toEqual([])

  expect(await ada.client.teams.changeRole(id, bob.id, 'viewer')).toMatchObject({
    user_id: bob.id,
    role: 'viewer',
  })
  const refused = { type: 'insufficient_role', status: 403 }
  await expect(bob.client.owner(id).post('/tasks', { body: { title: 'No' } })).rejects.toMatchObject(refused)
  await expect(bob.client.teams.rename(id, 'No')).rejects.toMatchObject(refused)
  expect((await ada.client.teams.rename(id, 'Gardens')).name).toBe('Gardens')
  expect((await bob.client.teams.list()).teams).toMatchObject([{ id, name: 'Gardens', role: 'viewer' }])
  await bob.client.teams.leave(id)
  await expect(bob.client.teams.get(id)).rejects.toMatchObject({ type: 'not_your_path' })
  expect((await ada.client.teams.members(id)).members).toMatchObject([{ user_id: ada.id, role: 'owner' }])
  expect((await ada.client.teams.activity(id)).activity[0]?.event).toBe('left')
  await expect(ada.client.teams.leave(id)).rejects.toMatchObject({ type: 'last_owner' })
  await ada.client.teams.delete(id)
  expect((await ada.client.teams.list()).teams).toEqual([])
})

test('what cannot be known to have been done is not done again', async () => {
  const { client } = await newcomer(({ method, url }) =>
    method === 'POST' && url.endsWith('/invitations') ? 'lost answer' : undefined,
  )
  const { id } = await client.teams.create('Garden')
  await expect(client.teams.invite(id, { role: 'viewer' })).rejects.toMatchObject({ name: 'OfflineError' })
  expect((await client.teams.invitations(id)).count).toBe(1)
})

test('a team is made once, however often its answer is lost', async () => {
  let lost = 2
  const { client } = await newcomer(({ method }) =>
    method === 'POST' && lost-- > 0 ? 'lost answer' : undefined,
  )
  const { id } = await client.teams.create('Once')
  expect((await client.teams.list()).teams.map((team) => team.id)).toEqual([id])
})
