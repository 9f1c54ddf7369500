// Generated from the OpenAPI document by npm run client.
import type { components } from './schema.ts'

/** The types of each collection: a row, what creates one, what changes one. */
export interface Collections {
  projects: {
    row: components['schemas']['Project']
    create: components['schemas']['ProjectCreate']
    update: components['schemas']['ProjectUpdate']
  }
  tasks: {
    row: components['schemas']['Task']
    create: components['schemas']['TaskCreate']
    update: components['schemas']['TaskUpdate']
  }
  comments: {
    row: components['schemas']['Comment']
    create: components['schemas']['CommentCreate'] & { task_id: string }
    update: components['schemas']['CommentUpdate']
  }
}

/** The parent of each collection's rows, with the field that holds its id, and the fields of a new row that are not sent. */
export const collections: Record<
  keyof Collections,
  { parent?: readonly [collection: keyof Collections, field: string]; defaults: object }
> = {
  projects: { defaults: { description: null, archived: false } },
  tasks: {
    defaults: {
      description: null,
      status: 'pending',
      completed: false,
      completed_at: null,
      priority: 'medium',
      due_date: null,
      tags: [],
      project_id: null,
    },
  },
  comments: { parent: ['tasks', 'task_id'], defaults: {} },
}
