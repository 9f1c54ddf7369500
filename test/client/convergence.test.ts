import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { Row } from '../../client/src/index.ts'
import { newUser, type Json } from '../client.ts'
import { newLiveDevice } from './device.ts'

/** How many copies there are of one user's rows, and how many writes they make: longer runs are asked for. */
const COPIES = Number(env.CONVERGENCE_COPIES)
const WRITES = Number(env.CONVERGENCE_WRITES)
/** The share of hints that are lost, and of requests, and of answers. */
const LOST_HINTS = 0.3
const LOST_REQUESTS = 0.03

/** Numbers that look random, the same for a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Every row of a user, as the server has them. */
async function everyRow(user: Awaited<ReturnType<typeof newUser>>): Promise<Row<'tasks'>[]> {
  const rows: Row<'tasks'>[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: { body: Json } = await user.call(
      'GET',
      `/tasks?limit=100${cursor && `&cursor=${cursor}`}`,
    )
    rows.push(...body.tasks)
    cursor = body.next_cursor
  }
  return rows
}

test(
  `${COPIES} copies that write at once are the same in the end, though hints, requests, answers and lines are lost`,
  { timeout: 600_000 + COPIES * WRITES * 30 },
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 32)
    const random = randomOf(seed)
    const pick = <Value>(values: readonly Value[]) => values[Math.floor(random() * values.length)]
    const id = `user-${crypto.randomUUID()}`
    const user = await newUser(id)
    const hub = env.HUB.get(env.HUB.idFromName(id))
    const lost = { hints: 0, told: 0, requests: 0, cuts: 0, evictions: 0 }
    const air = { calm: false }
    const passes = (message: string) => {
      if (air.calm || !message.includes('changed')) return true
      lost.told += 1
      const isLost = random() < LOST_HINTS
      lost.hints += Number(isLost)
      return !isLost
    }
    const faultOf = () => {
      const luck = random()
      if (air.calm || luck > 2 * LOST_REQUESTS) return undefined
      lost.requests += 1
      return luck < LOST_REQUESTS ? ('lost request' as const) : ('lost answer' as const)
    }
    const devices = []
    for (let at = 0; at < COPIES; at += 1) devices.push(await newLiveDevice(id, passes, faultOf))

    const started = Date.now()
    for (let made = 0; made < WRITES; made += 1) {
      const { copy, line } = pick(devices) ?? expect.fail('no device')
      const row = pick(copy.rows('tasks'))
      const luck = random()
      if (!row || luck < 0.4) await copy.create('tasks', { title: `Task ${made}` })
      else if (luck < 0.6) await copy.update('tasks', row.id, { title: `Renamed ${made}` })
      else if (luck < 0.8) await copy.update('tasks', row.id, { priority: random() < 0.5 ? 'low' : 'high' })
      else if (luck < 0.95) await copy.delete('tasks', row.id)
      else await copy.restore('tasks', row.id)
      if (random() < 0.03) {
        line.cut()
        lost.cuts += 1
      }
      if (made % 50 === 49) {
        // It may be asleep already.
        await evictDurableObject(hub).then(
          () => (lost.evictions += 1),
          () => undefined,
        )
      }
      // Some wait for what they hear, and some do not.
      if (luck < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 10))
    }

    air.calm = true
    const refused = devices.reduce((sum, { copy }) => sum + copy.refused.length, 0)
    for (const { copy } of devices) {
      await copy.sync().catch(() => copy.sync())
      for (const { change } of copy.refused) await copy.discard(change.key)
    }
    // As when somebody looks at the page again.
    for (const { copy } of devices) await copy.sync()
    const rows = await everyRow(user)
    console.info(JSON.stringify({ seed, rows: rows.length, refused, ...lost, ms: Date.now() - started }))
    expect(rows.length).toBeGreaterThan(WRITES / 10)
    for (const { copy } of devices) {
      expect(copy.pending).toEqual([])
      expect(copy.rows('tasks')).toEqual(rows)
    }
  },
)
