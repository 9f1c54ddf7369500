import { accounts, eraseAll } from './accounts.ts'
import { bulk } from './bulk.ts'
import { clientOf, type Client, type User } from './client.ts'
import { concurrency } from './concurrency.ts'
import { cors, developmentOrigin } from './cors.ts'
import { docs } from './docs.ts'
import { readApi, type Resource } from './document.ts'
import { headers } from './headers.ts'
import { idempotency } from './idempotency.ts'
import { identity } from './identity.ts'
import { isolation } from './isolation.ts'
import { lists } from './lists.ts'
import { live } from './live.ts'
import { preconditions } from './preconditions.ts'
import { messageOf, newReport, type Result } from './report.ts'
import { check, prepare, type Run } from './run.ts'
import { shape } from './shape.ts'
import { sync } from './sync.ts'
import { teams } from './teams.ts'
import { madeBy, newAccount, noteAccounts, userOf, type Registered } from './users.ts'
import { newWatch } from './watch.ts'
import { writes } from './writes.ts'

/** How a deployment is verified. */
export interface Options {
  /** Access tokens of one user or two; without any, accounts are made and erased. */
  tokens: readonly string[]
  /** The collections to verify, and those above them; every one unless given. */
  only?: readonly string[] | undefined
  /** A token that has expired. */
  expired?: string | undefined
  /** An origin that the deployment allows. */
  origin?: string | undefined
  /** When to give up. */
  signal: AbortSignal
  /** Is handed a line for each check. */
  show: (line: string) => void
}

/** That a deployment cannot be verified at all: it does not answer, or no user can log in. */
export class Unusable extends Error {
  override name = 'Unusable'
}

/** How long cleaning up may take, in milliseconds. */
const CLEANING = 180_000

/**
 * Holds the deployment at `url` to the contract, as its clients see it, for every collection that its OpenAPI document
 * lists. What it made is erased, or put into the trash of the users it was lent, however it ends. Throws {@link
 * Unusable}.
 */
export async function verification(url: string, options: Options): Promise<Result[]> {
  const { signal, show } = options
  const report = newReport(show)
  const watch = newWatch()
  const made = new Map<string, Registered>()
  const rows: { path: string; as: User }[] = []
  const client = clientOf(url, signal, (answer) => {
    watch.observe(answer)
    noteAccounts(made, answer)
    for (const path of madeBy(answer)) if (answer.sent.as) rows.push({ path, as: answer.sent.as })
  })
  try {
    const described = await reach(client)
    // The document is the same where accounts are switched off.
    const switchedOn = described.accounts && (await client.get('/api/auth/register')).status === 405
    const api = { ...described, accounts: switchedOn, resources: chosen(described.resources, options.only) }
    watch.describe(api.document)
    if (!options.tokens.length && !api.accounts)
      throw new Unusable('it keeps no accounts: give --token, once or twice')
    const lent = options.tokens.map(lentUser)
    const mine = lent[0] ?? (await newAccount(client, 'A'))
    const other = lent.length ? lent[1] : await newAccount(client, 'B')
    if (other?.id === mine.id) throw new Unusable('the two tokens are of the same user')
    if ((await client.get('/api/me/changes', mine)).status !== 200) throw new Unusable('it refuses the token')
    const origin = options.origin ?? (await developmentOrigin({ client }))
    const run: Run = { client, api, report, mine, other, lent: lent.length > 0, origin, signal }

    let ready = false
    await check(run, 'openapi', 'bodies made from the schemas are taken', async () => {
      await prepare(run)
      ready = true
    })
    if (ready) {
      for (const subject of [
        shape,
        writes,
        preconditions,
        bulk,
        idempotency,
        concurrency,
        lists,
        sync,
        isolation,
        teams,
        live,
      ]) {
        await subject(run)
      }
    }
    await identity(run, options.expired)
    await cors(run)
    await headers(run)
    if (lent.length || !api.accounts) {
      const reason = lent.length ? 'the users were lent with --token' : 'this deployment keeps none'
      report.add({ subject: 'accounts', name: 'the accounts kept here', outcome: 'not checked', reason })
    } else await accounts(run)
    await docs(run, watch.types)
    watch.conclude(url, report)
  } catch (error) {
    if (!signal.aborted) throw error
    const came = String(signal.reason)
    report.add({
      subject: 'run',
      name: 'every check was made',
      outcome: 'failed',
      expected: 'an end in time',
      came,
    })
  } finally {
    // Its own client: the run's may be over.
    const cleaner = clientOf(url, AbortSignal.timeout(CLEANING), () => {})
    const left = made.size ? await eraseAll(cleaner, [...made.values()]) : await trashAll(cleaner, rows)
    if (made.size || rows.length) {
      const name = made.size ? 'the throw-away accounts are erased' : 'what was made is in the trash again'
      if (left.length) {
        report.add({
          subject: 'run',
          name,
          outcome: 'failed',
          expected: 'nothing left',
          came: left.join(' '),
        })
      } else report.add({ subject: 'run', name, outcome: 'passed' })
    }
  }
  return report.results
}

async function reach(client: Client) {
  const answer = await client.get('/openapi.json').catch((error: unknown) => {
    throw new Unusable(`it cannot be reached: ${messageOf(error)}`)
  })
  if (answer.status !== 200) throw new Unusable(`it has no /openapi.json: status ${answer.status}`)
  try {
    return readApi(answer.body)
  } catch (error) {
    throw new Unusable(`its /openapi.json is not what is read here: ${String(error)}`)
  }
}

function chosen(resources: readonly Resource[], only: readonly string[] | undefined): readonly Resource[] {
  if (!only) return resources
  const isAbove = (one: Resource, { parent }: Resource): boolean =>
    parent !== undefined && (parent.resource === one || isAbove(one, parent.resource))
  const named = resources.filter(({ name }) => only.includes(name))
  if (named.length < only.length) throw new Unusable('it has no such collection')
  return resources.filter((one) => named.some((other) => one === other || isAbove(one, other)))
}

function lentUser(token: string, at: number): User {
  try {
    return userOf(token, at === 0 ? 'A' : 'B')
  } catch {
    throw new Unusable('a --token is not a JWT with a sub')
  }
}

/** Deletes rows, the newest first, so that children go before their parents. Resolves to the paths that are still there. */
async function trashAll(client: Client, rows: readonly { path: string; as: User }[]): Promise<string[]> {
  const left: string[] = []
  for (const { path, as } of rows.toReversed()) {
    const status = await client.send({ method: 'DELETE', path, as }).then(
      (answer) => answer.status,
      () => 0,
    )
    // A team that was deleted took all that is its own along, and is nobody's path.
    const gone = path.includes('/team-') ? [204, 403, 404] : [204, 404]
    if (!gone.includes(status)) left.push(path)
  }
  return left
}
