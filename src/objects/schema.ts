import { log } from '../log.ts'
import { Problem } from '../problems.ts'
import { whatIsServed } from './served.ts'

/** The key of the names of the migrations that an object has. */
const APPLIED = 'migrations'

/**
 * Applies the migrations that an object does not have yet, all or none. `newest` is the last one that the asking Worker
 * knows. Throws `misconfigured`, which the log explains, when a migration fails, or when one of Worker, code and stored
 * rows is newer than another.
 */
export function migrate(storage: DurableObjectStorage, newest: string | undefined): void {
  const { migrations } = whatIsServed()
  const applied = new Set(storage.kv.get<string[]>(APPLIED))
  const names = [...migrations.keys()]
  const unknown = [...applied].find((name) => !migrations.has(name))
  if (unknown !== undefined)
    throw fault(`the rows have the migration ${unknown}, which this version does not know`)
  if (newest !== undefined && newest !== names.at(-1)) {
    throw fault(`the Worker knows the migrations up to ${newest}, its objects those up to ${names.at(-1)}`)
  }
  const missing = names.filter((name) => !applied.has(name))
  if (!missing.length) return
  let current = ''
  try {
    storage.transactionSync(() => {
      for (current of missing) {
        const sql = migrations.get(current)
        if (sql) storage.sql.exec(sql)
      }
      storage.kv.put(APPLIED, names)
    })
  } catch {
    throw fault(`the migration ${current} fails in an object`)
  }
}

function fault(what: string): Problem {
  log('error', { event: 'misconfigured', faults: [what] })
  return new Problem('misconfigured')
}
