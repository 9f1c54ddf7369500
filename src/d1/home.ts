import type { Guard, Home, Row, Written } from './database.ts'
import type { BoundStatement } from './statement.ts'

/**
 * D1 as the home of rows: the binding, which asks the primary, or a session of it (Sessions API). The `guards` join every
 * batch, before its statements.
 */
export function d1Home(d1: D1Database | D1DatabaseSession, guards: readonly Guard[] = []): Home {
  return {
    guards: guards.length,
    async run(statements) {
      const all = guards.length ? [...guards.map(({ statement }) => statement), ...statements] : statements
      const results = await d1.batch<Row>(
        all.map(({ sql, parameters }) => d1.prepare(sql).bind(...parameters)),
      )
      const cost = { rowsRead: 0, rowsWritten: 0, ms: 0 }
      for (const { meta } of results) {
        cost.rowsRead += meta.rows_read
        cost.rowsWritten += meta.rows_written
        cost.ms += meta.duration
      }
      const rows = results.map((result) => result.results)
      return {
        ...cost,
        rows: rows.slice(guards.length),
        written: writtenBy(all, rows),
        broken: brokenOf(guards, rows),
        moved: guards.some(({ selects }, at) => selects && rows[at]?.[0]?.moved === 1),
      }
    },
  }
}

/** The verb and the table of a statement that writes, as Drizzle spells it. */
const WRITE = /^(INSERT|UPDATE|DELETE)\b[^"]*"(\w+)"/

/** What statements wrote that returned rows. */
export function writtenBy(
  statements: readonly BoundStatement[],
  rows: readonly (readonly Row[])[],
): Written[] {
  const written: Written[] = []
  rows.forEach((returned, at) => {
    const [, verb, table] = (returned.length && WRITE.exec(statements[at]?.sql ?? '')) || []
    if (verb && table) written.push({ verb, table, rows: returned })
  })
  return written
}

/** The problem of the first guard that selects and found nothing; `rows` begins with what the guards returned. */
export function brokenOf(guards: readonly Guard[], rows: readonly (readonly Row[])[]) {
  return guards.find(({ selects }, at) => selects && !rows[at]?.length)?.problem
}
