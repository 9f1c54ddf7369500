import { sql } from 'drizzle-orm'
import { integer, text as column } from 'drizzle-orm/sqlite-core'
import {
  defineResource,
  id,
  instant,
  labels,
  moment,
  NOW,
  ownedTable,
  reference,
  text,
  title,
} from 'freehold'
import * as z from 'zod/mini'
import { projects } from './projects.ts'

/** Tasks: the flagship, which uses everything a declaration can say. */
export const tasks = ownedTable('tasks', {
  title: column().notNull(),
  description: column(),
  status: column({ enum: ['pending', 'in_progress', 'completed'] })
    .notNull()
    .default('pending'),
  completed: integer({ mode: 'boolean' })
    .notNull()
    .generatedAlwaysAs(sql`status = 'completed'`),
  completed_at: instant(),
  priority: column({ enum: ['low', 'medium', 'high'] })
    .notNull()
    .default('medium'),
  due_date: column(),
  tags: column({ mode: 'json' }).$type<string[]>().notNull().default([]),
  project_id: reference(projects),
})

export default defineResource({
  table: tasks,
  input: {
    title: title(200),
    description: text(1000),
    status: z.enum(tasks.status.enumValues),
    completed: z.boolean(),
    priority: z.enum(tasks.priority.enumValues),
    due_date: moment(),
    tags: labels(20, 50),
    project_id: id(),
  },
  check: ({ value: { status, completed }, issues }) => {
    if (status === undefined || completed === undefined || completed === (status === 'completed')) return
    issues.push({
      code: 'custom',
      params: { code: 'contradiction' },
      path: ['completed'],
      message: 'contradicts status',
      input: completed,
    })
  },
  derive: {
    // The shorthand alone: true completes; false reopens what is completed and leaves anything else as it is.
    status: ({ sent, next }) =>
      sent.completed && !sent.status
        ? sql`iif(${sent.completed}, 'completed', iif(${next.status} = 'completed', 'pending', ${next.status}))`
        : next.status,
    completed_at: ({ next, row }) =>
      sql`iif(${next.status} = 'completed', coalesce(${row.completed_at}, ${NOW}), NULL)`,
  },
  filter: [
    'status',
    'completed',
    'priority',
    'project_id',
    { as: 'tag', has: 'tags' },
    { as: 'due_before', upTo: 'due_date' },
    { as: 'due_after', from: 'due_date' },
  ],
  sort: ['created_at', 'updated_at', 'due_date', 'priority', 'title'],
  search: ['title', 'description'],
})
