import { exports } from 'cloudflare:workers'
import { createClient, type ClientOptions, type Fetch } from '../../client/src/index.ts'
import { newUser, tokenFor } from '../client.ts'

/** What can happen on the way: the request never arrives, its answer never comes back, or somebody else answers. */
export type Fault = 'lost request' | 'lost answer' | Response

/** What happens to a request. */
export type FaultOf = (request: Request, count: number) => Fault | undefined | Promise<Fault | undefined>

/** The way to the deployed Worker, where `faultOf` says what happens to each request, counted from 0. */
export function network(faultOf: FaultOf = () => undefined) {
  const sent: Request[] = []
  const fetch: Fetch = async (request) => {
    const fault = await faultOf(request, sent.length)
    sent.push(request.clone())
    if (fault instanceof Response) return fault
    if (fault === 'lost request') throw new TypeError('Failed to fetch')
    const response = await exports.default.fetch(request)
    if (fault === 'lost answer') throw new TypeError('Failed to fetch')
    return response
  }
  return { sent, fetch }
}

/** A client of a user of its own, over a {@link network}. */
export async function newClient(faultOf?: FaultOf, options: ClientOptions & { id?: string } = {}) {
  const { id = `user-${crypto.randomUUID()}`, ...rest } = options
  const user = await newUser(id)
  const { sent, fetch } = network(faultOf)
  const token = await tokenFor(id)
  return {
    user,
    sent,
    client: createClient({ baseUrl: 'https://api.test', token, backoff: 1, fetch, ...rest }),
  }
}
