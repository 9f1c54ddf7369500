import { text as column } from 'drizzle-orm/sqlite-core'
import { defineResource, ownedTable, text, title } from 'freehold'
import * as z from 'zod'

export const notes = ownedTable('notes', {
  title: column().notNull(),
  body: column(),
})

export default defineResource({
  table: notes,
  input: z.strictObject({ title: title(200), body: text(2000).nullable().optional() }),
  sort: ['created_at', 'updated_at', 'title'],
  search: ['title', 'body'],
})
