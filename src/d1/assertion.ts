import { sql, type SQL } from 'drizzle-orm'
import { isProblemType, Problem, type FieldError, type ProblemType } from '../problems.ts'

/** What an assertion can say of one field of a body. */
const fieldFaults = {
  invalid_reference: 'is not the id of one of your own live rows',
} as const

/** What an assertion can raise: a problem, or a fault of the field that is named with it. */
export type Raised = ProblemType | keyof typeof fieldFaults

/** Where in a request the fault is. */
export interface Place {
  /** The path of a field: `project_id`, `operations[3].data.project_id`. */
  field?: string
  /** The operation, where a request has several. */
  index?: number | undefined
}

/**
 * A statement that stores nothing and makes its whole batch fail with what the placeholder `problem` holds ({@link raise})
 * unless `holds` is true (docs/decisions/0005). It goes before the write it guards.
 */
export function assertion(holds: SQL): SQL {
  return sql`INSERT INTO assertion SELECT ${holds}, ${sql.placeholder('problem')}`
}

/** The value of an {@link assertion}'s placeholder `problem`: what its batch throws when it does not hold. */
export function raise(problem: Raised, { field, index }: Place = {}): string {
  return `${problem}${field === undefined ? '' : ` ${field}`}${index === undefined ? '' : ` #${index}`}`
}

/** The problem that a database error's message carries from {@link raise}; undefined for any other error. */
export function raisedIn(message: string): Problem | undefined {
  const [, name = '', path, at] = /assertion: (\w+)(?: ([\w.[\]]+))?(?: #(\d+))?/.exec(message) ?? []
  const index = at === undefined ? {} : { index: Number(at) }
  if (isProblemType(name)) return new Problem(name, index)
  if (!isFieldFault(name) || path === undefined) return undefined
  const error: FieldError = { path, code: name, message: fieldFaults[name] }
  return new Problem('invalid_body', { errors: [error], ...index })
}

function isFieldFault(name: string): name is keyof typeof fieldFaults {
  return Object.hasOwn(fieldFaults, name)
}
