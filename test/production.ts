import { AsyncLocalStorage } from 'node:async_hooks'
import type { Bindings } from '../src/config.ts'
import { MAX_STATEMENTS } from '../src/d1/database.ts'
import { memo } from '../src/memo.ts'

/** How many statements an invocation has left. */
interface Left {
  statements: number
}

const invocations = new AsyncLocalStorage<Left>()

/**
 * D1 as one invocation of a production Worker has it: it takes so many statements and no more, which local D1 does not
 * count. The other limits of D1 (a hundred parameters, 100 KB of SQL, 2 MB a row) hold locally, too: test/limits.test.ts.
 */
export function limitedDatabase(db: D1Database, most = MAX_STATEMENTS): D1Database {
  const left = { statements: most }
  return limitedBy(db, () => left)
}

function limitedBy(db: D1Database, leftNow: () => Left | undefined): D1Database {
  const limited = (on: D1Database | D1DatabaseSession) =>
    new Proxy(on, {
      get(target, name) {
        if (name === 'withSession') return (bookmark?: string) => limited(db.withSession(bookmark))
        if (name === 'batch') {
          return (statements: D1PreparedStatement[]) => {
            const left = leftNow()
            if (left && (left.statements -= statements.length) < 0) {
              throw new Error('D1_ERROR: Too many API requests by single worker invocation.')
            }
            return target.batch(statements)
          }
        }
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  return limited(db) as D1Database
}

/** What production gives a Worker: the same object to every invocation of an isolate, which remembers what it read there. */
export const production = memo((env: Bindings): Bindings => ({
  ...env,
  DB: limitedBy(env.DB, () => invocations.getStore()),
}))

/** Does the work of one invocation, within what production gives one. */
export function invocation<Result>(work: () => Result): Result {
  return invocations.run({ statements: MAX_STATEMENTS }, work)
}
