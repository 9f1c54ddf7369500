import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { migrationFiles, statementsOf } from './migrations.ts'

/** Runs a batch, or one text with `exec`, in workerd: D1's own proxy in Node crosses over for each `prepare` and `bind`. */
const WORKER = `export default {
  async fetch(request, { DB }) {
    const { text, statements, session } = await request.json()
    const database = session ? DB.withSession(session) : DB
    try {
      const results = statements
        ? await database.batch(statements.map(({ sql, parameters }) => database.prepare(sql).bind(...parameters)))
        : await DB.exec(text)
      return Response.json({ results, bookmark: session ? database.getBookmark() : null })
    } catch ({ message }) {
      return Response.json({ message }, { status: 500 })
    }
  },
}`

type Row = Record<string, unknown>

interface Prepared {
  sql: string
  parameters: readonly unknown[]
}

/** What the Worker is asked, and what it answers. */
interface Question {
  text?: string
  statements?: readonly Prepared[]
  session?: string
}
interface Answer {
  results: { results: Row[] }[]
  bookmark: string | null
}

/** Does some work with a new, empty local D1, which is gone afterwards. */
export async function withLocalDatabase<Result>(
  work: (database: D1Database) => Promise<Result>,
): Promise<Result> {
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      modules: [{ type: 'ESModule', path: 'index.js', contents: WORKER }],
      compatibilityDate: '2026-10-01',
      d1Databases: ['DB'],
    }),
  )
  try {
    return await work(databaseOf((question) => ask(worker, question)))
  } finally {
    await worker.dispose()
  }
}

async function ask(worker: Miniflare, question: Question): Promise<Answer> {
  const response = await worker.dispatchFetch('http://local/', {
    method: 'POST',
    body: JSON.stringify(question),
  })
  const text = await response.text()
  const parse: (json: string) => Answer & { message: string } = JSON.parse
  if (!response.ok) throw new Error(parse(text).message)
  return parse(text)
}

/** The local D1 as a binding, as far as the engine and the scripts use one. */
function databaseOf(run: (question: Question) => Promise<Answer>): D1Database {
  const prepared = (sql: string, parameters: readonly unknown[] = []) => ({
    sql,
    parameters,
    bind: (...values: readonly unknown[]) => prepared(sql, values),
    async all() {
      const { results } = await run({ statements: [{ sql, parameters }] })
      return results[0]
    },
    async run() {
      await run({ statements: [{ sql, parameters }] })
    },
    async first(column?: string) {
      const { results } = await run({ statements: [{ sql, parameters }] })
      const [row] = results[0]?.results ?? []
      return (column === undefined ? row : row?.[column]) ?? null
    },
  })
  const prepare = (sql: string) => prepared(sql)
  const binding = {
    prepare,
    batch: async (statements: readonly Prepared[]) => (await run({ statements: plain(statements) })).results,
    exec: async (text: string) => void (await run({ text })),
    withSession(session: string) {
      let bookmark: string | null = null
      return {
        prepare,
        async batch(statements: readonly Prepared[]) {
          const answer = await run({ statements: plain(statements), session })
          bookmark = answer.bookmark
          return answer.results
        },
        getBookmark: () => bookmark,
      }
    },
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- neither the engine nor the scripts use more of it
  return binding as unknown as D1Database
}

/** The statements as JSON can carry them. */
function plain(statements: readonly Prepared[]): Prepared[] {
  return statements.map(({ sql, parameters }) => ({ sql, parameters }))
}

/** Applies the migrations of a folder. Returns their names. */
export async function applyMigrations(database: D1Database, folder: string): Promise<string[]> {
  const files = migrationFiles(folder)
  for (const file of files) {
    await database.batch(statementsOf(folder, file).map((statement) => database.prepare(statement)))
  }
  return files
}
