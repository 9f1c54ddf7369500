import { expect } from 'vitest'
import { newUser, type Answer } from './client.ts'

/** A user as {@link newUser} makes one. */
type User = Awaited<ReturnType<typeof newUser>>

/** A new team of one owner. `call` takes paths under `/api/teams/{id}`, as whoever is given, its owner unless told. */
export async function newTeam(owner?: User) {
  const first = owner ?? (await newUser())
  const { status, body, text } = await first.request('POST', '/api/teams', { name: 'A team' })
  expect(status, text).toBe(201)
  const id = String(body.id)
  const call = (method: string, path = '', sent?: unknown, as: User = first): Promise<Answer> =>
    as.request(method, `/api/teams/${id}${path}`, sent)

  /** A user who is in the team, a new one unless given. */
  async function member(role: string, user?: User): Promise<User> {
    const one = user ?? (await newUser())
    const { body: invitation } = await call('POST', '/invitations', { role })
    const joined = await one.request('POST', '/api/invitations/accept', { token: invitation.token })
    expect([joined.status, joined.body.role], joined.text).toEqual([200, role])
    return one
  }

  return { id, owner: first, call, member }
}
