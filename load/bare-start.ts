import { sql } from 'drizzle-orm'
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { Hono } from 'hono'
import { jwtVerify } from 'jose'
import * as z from 'zod/mini'

// A Worker with the libraries of ours and next to nothing else: what `npm run check` compares the start of ours with, on the
// same machine in the same minute.
const rows = sqliteTable('rows', { id: text().primaryKey() })
const row = z.strictObject({ id: z.string() })

export default new Hono().get('/', async (c) => {
  await jwtVerify('', new Uint8Array(32))
  return c.json([row.parse({ id: '' }), sql`SELECT 1 FROM ${rows}`.queryChunks.length])
})
