import { KINDS, type Kind, type Service } from './homes.ts'

/** How many owners the model has, and how many requests it sends at each load. */
export const OWNERS = 100_000
export const REQUESTS = 300_000
/** Of a hundred requests. */
export const MIX: Record<Kind, number> = { get: 60, page: 24, write: 15, search: 1 }

/** How long requests took, in milliseconds from being sent to being answered; the network is left out. */
export interface Latency {
  p50: number
  p99: number
}

/** Numbers between 0 and 1 that are the same in each run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Picks an owner, the n-th of them with a weight of n^-`skew`: a few send much, most little. */
function skewed(owners: number, skew: number): (random: number) => number {
  const sums = new Float64Array(owners)
  let sum = 0
  for (let at = 0; at < owners; at += 1) sums[at] = sum += (at + 1) ** -skew
  return (random) => {
    const wanted = random * sum
    let [low, high] = [0, owners - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/**
 * Sends requests at random moments, so many a second on average, to queues that each do one at a time: one queue for all
 * owners, or one for each.
 */
export function simulate(perSecond: number, service: Service, isShared: boolean, skew: number): Latency {
  const random = seeded(1)
  const pick = skewed(OWNERS, skew)
  const kinds = KINDS.flatMap((kind) => Array<Kind>(MIX[kind]).fill(kind))
  const freeAt = new Float64Array(isShared ? 1 : OWNERS)
  const took = new Float64Array(REQUESTS)
  let now = 0
  for (let at = 0; at < REQUESTS; at += 1) {
    now += (-Math.log(1 - random()) * 1_000) / perSecond
    const owner = pick(random())
    const queue = isShared ? 0 : owner
    const kind = kinds[Math.floor(random() * kinds.length)] ?? 'get'
    const done = Math.max(now, freeAt[queue] ?? 0) + service[kind]
    freeAt[queue] = done
    took[at] = done - now
  }
  took.sort()
  const share = (part: number) => took[Math.floor(REQUESTS * part)] ?? 0
  return { p50: share(0.5), p99: share(0.99) }
}

/**
 * How long the others wait when one owner's query keeps its home busy for `busy` milliseconds, at a load that is half of
 * what one database can take.
 */
export function whileOneIsBusy(service: Service, isShared: boolean, busy: number): Latency {
  const mean = meanOf(service)
  const random = seeded(2)
  const kinds = KINDS.flatMap((kind) => Array<Kind>(MIX[kind]).fill(kind))
  const took: number[] = []
  // Owner 0 begins its query; every other owner's own object is free.
  let free = isShared ? busy : 0
  for (let now = 0; now < 2 * busy;) {
    now += -Math.log(1 - random()) * mean * 2
    const kind = kinds[Math.floor(random() * kinds.length)] ?? 'get'
    const done = Math.max(now, isShared ? free : 0) + service[kind]
    free = done
    took.push(done - now)
  }
  took.sort((one, other) => one - other)
  const share = (part: number) => took[Math.floor(took.length * part)] ?? 0
  return { p50: share(0.5), p99: share(0.99) }
}

/** How long a request keeps a home busy on average, in milliseconds. */
export function meanOf(service: Service): number {
  return KINDS.reduce((sum, kind) => sum + (MIX[kind] / 100) * service[kind], 0)
}
