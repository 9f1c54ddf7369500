// Generated from the OpenAPI document by npm run client.
import type { components, paths } from './schema.ts'

/** The parameters of a list that say which rows, and in what order. */
type Query<Path extends keyof paths> = paths[Path] extends {
  get: { parameters: { query?: infer Parameters } }
}
  ? Omit<NonNullable<Parameters>, 'cursor' | 'limit' | 'offset' | 'total' | 'trashed'>
  : never

/** The types of each collection: a row, what creates one, what changes one, what a list of them is asked for. */
export interface Collections {
  projects: {
    row: components['schemas']['Project']
    create: components['schemas']['ProjectCreate']
    update: components['schemas']['ProjectUpdate']
    query: Query<'/projects'>
  }
  tasks: {
    row: components['schemas']['Task']
    create: components['schemas']['TaskCreate']
    update: components['schemas']['TaskUpdate']
    query: Query<'/tasks'>
  }
  comments: {
    row: components['schemas']['Comment']
    create: components['schemas']['CommentCreate'] & { task_id: string }
    update: components['schemas']['CommentUpdate']
    query: Query<'/tasks/{task_id}/comments'> & { task_id?: string }
  }
}

/** What the client has to know of a collection. */
interface Facts {
  /** The parent of its rows, with the field that holds its id. */
  parent?: readonly [collection: keyof Collections, field: string]
  /** The fields of a new row that are not sent. */
  defaults: object
  /** The filters of its lists: how each compares, and with which field. */
  filters: Readonly<Record<string, readonly ['equals' | 'has' | 'from' | 'upTo', field: string]>>
  /** The fields that a list can be sorted by, with the values of an enum in their order. */
  orders: Readonly<Record<string, readonly string[]>>
  /** The fields that are searched. */
  search: readonly string[]
}

export const collections: Record<keyof Collections, Facts> = {
  projects: {
    defaults: { description: null, archived: false },
    filters: { archived: ['equals', 'archived'] },
    orders: { created_at: [], updated_at: [], name: [] },
    search: ['name', 'description'],
  },
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
    filters: {
      status: ['equals', 'status'],
      completed: ['equals', 'completed'],
      priority: ['equals', 'priority'],
      project_id: ['equals', 'project_id'],
      tag: ['has', 'tags'],
      due_before: ['upTo', 'due_date'],
      due_after: ['from', 'due_date'],
    },
    orders: { created_at: [], updated_at: [], due_date: [], priority: ['low', 'medium', 'high'], title: [] },
    search: ['title', 'description'],
  },
  comments: {
    parent: ['tasks', 'task_id'],
    defaults: {},
    filters: {},
    orders: { created_at: [], updated_at: [] },
    search: ['body'],
  },
}
