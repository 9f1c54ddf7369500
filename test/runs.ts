import { env } from 'cloudflare:workers'

/**
 * How often a property is tried: `short` times, which everybody can wait for, or as many times that as RUNS says:
 * `RUNS=10 npm test`.
 */
export function runs(short: number): number {
  return short * Number(env.RUNS || 1)
}
