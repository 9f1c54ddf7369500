import { integer, text as column } from 'drizzle-orm/sqlite-core'
import { defineResource, ownedTable, text, title } from 'freehold'
import * as z from 'zod/mini'

/** What tasks can belong to. */
export const projects = ownedTable('projects', {
  name: column().notNull(),
  description: column(),
  archived: integer({ mode: 'boolean' }).notNull().default(false),
})

export default defineResource({
  table: projects,
  input: {
    name: title(100),
    description: text(1000),
    archived: z.boolean(),
  },
  filter: ['archived'],
  sort: ['created_at', 'updated_at', 'name'],
  search: ['name', 'description'],
})
