import { env } from 'cloudflare:workers'

/** What can happen to a batch: it never runs, it runs and its answer is lost, it takes long, or nothing ever comes back. */
export type Fault = 'error before' | 'error after commit' | 'delay' | 'hang' | 'hang after commit'

/** What D1 says when the way to it, or it itself, is gone for a moment. */
const LOST = 'D1_ERROR: Network connection lost.'

/** The tests' D1 where `faultOf` says what happens to each batch, counted from 0; it may throw `message`. */
export function faultyDatabase(faultOf: (attempt: number) => Fault | undefined, message = LOST) {
  const seen = { attempts: 0 }
  const DB = {
    prepare: (sql: string) => env.DB.prepare(sql),
    async batch(statements: D1PreparedStatement[]) {
      const fault = faultOf(seen.attempts)
      seen.attempts += 1
      if (fault === 'error before') throw new Error(message)
      if (fault === 'hang') return never()
      if (fault === 'delay') await scheduler.wait(200)
      const results = await env.DB.batch(statements)
      if (fault === 'error after commit') throw new Error(message)
      return fault === 'hang after commit' ? never() : results
    },
  }
  return { seen, DB: DB as unknown as D1Database }
}

function never(): Promise<never> {
  return new Promise(() => {})
}
