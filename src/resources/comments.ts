import { text as column } from 'drizzle-orm/sqlite-core'
import { defineResource, ownedTable, parent, title } from 'freehold'
import { tasks } from './tasks.ts'

/** What is said about a task: a child of it. */
export const comments = ownedTable('comments', {
  task_id: parent(tasks),
  body: column().notNull(),
})

export default defineResource({
  table: comments,
  input: { body: title(2000) },
  sort: ['created_at', 'updated_at'],
  search: ['body'],
})
