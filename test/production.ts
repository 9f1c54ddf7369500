import { MAX_STATEMENTS } from '../src/d1/database.ts'

/**
 * D1 as one invocation of a production Worker has it: it takes so many statements and no more, which local D1 does not
 * count. The other limits of D1 (a hundred parameters, 100 KB of SQL, 2 MB a row) hold locally, too: test/limits.test.ts.
 */
export function limitedDatabase(db: D1Database, most = MAX_STATEMENTS): D1Database {
  const left = { statements: most }
  const limited = (on: D1Database | D1DatabaseSession) =>
    new Proxy(on, {
      get(target, name) {
        if (name === 'withSession') return (bookmark?: string) => limited(db.withSession(bookmark))
        if (name === 'batch') {
          return (statements: D1PreparedStatement[]) => {
            left.statements -= statements.length
            if (left.statements < 0)
              throw new Error('D1_ERROR: Too many API requests by single worker invocation.')
            return target.batch(statements)
          }
        }
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  return limited(db) as D1Database
}

/** What production gives a Worker for one invocation. */
export function production<Env extends { DB: D1Database }>(env: Env): Env {
  return { ...env, DB: limitedDatabase(env.DB) }
}
