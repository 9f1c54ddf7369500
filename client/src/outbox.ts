import type { Collections } from './collections.ts'
import type { ProblemError } from './problems.ts'

/** The name of a collection. */
export type Collection = keyof Collections

/** The fields of some row. */
export type RowFields = Record<string, unknown>

/** A row of any collection. */
export type RowData = RowFields & { id: string; revision: number }

/** A write that waits for the server. */
export interface Change {
  /** Changes are sent in the order of their keys. */
  key: string
  op: 'create' | 'update' | 'delete' | 'restore'
  collection: Collection
  id: string
  /** Of the collection. */
  path: string
  data?: RowFields
  /** The row as it was shown when the change was made. */
  base?: RowFields
  /** The server's revision of it then; 0 for a row that the server does not have. */
  revision: number
  /** What the server said, when it refused it: then it waits for somebody to decide. */
  refused?: Refusal
}

/** Why a change was refused. */
export type Refusal = Pick<ProblemError, 'type' | 'status' | 'message' | 'detail' | 'errors'>

/** What is sent for one or more changes of a row; `none` when together they change nothing. */
export interface Operation {
  op: Change['op'] | 'none'
  collection: Collection
  id: string
  path: string
  data: RowFields
  base: RowFields
  revision: number
  /** The changes it stands for. */
  changes: Change[]
  /** Of a creation: what was edited after it. */
  edits: RowFields
}

/**
 * What has to be sent for a queue, in its order: edits join the creation or the edit before them, a creation and a
 * deletion, or a deletion and its undoing, are nothing. Nothing moves before what it refers to.
 */
export function fold(changes: readonly Change[]): Operation[] {
  const operations: Operation[] = []
  const latest = new Map<string, Operation>()
  for (const change of changes) {
    const at = placeOf(change)
    const before = latest.get(at)
    const joined = before && join(before, change, operations, changes)
    if (joined) {
      before.changes.push(change)
    } else {
      const { op, collection, id, path, data = {}, base = {}, revision } = change
      const operation = { op, collection, id, path, data, base, revision, changes: [change], edits: {} }
      operations.push(operation)
      latest.set(at, operation)
    }
  }
  return operations
}

/** Where a row is, among all. */
export function placeOf({ collection, id }: { collection: string; id: string }): `${string}/${string}` {
  return `${collection}/${id}`
}

/** Makes one operation of two, if that comes to the same; says whether it did. */
function join(
  before: Operation,
  change: Change,
  operations: readonly Operation[],
  changes: readonly Change[],
): boolean {
  const { op, data = {}, base = {} } = change
  if (op === 'update' && (before.op === 'create' || before.op === 'update')) {
    const text = JSON.stringify(data)
    const later = operations.slice(operations.indexOf(before) + 1)
    if (later.some(({ op: made, id }) => made === 'create' && text.includes(id))) return false
    const seen = Object.keys(before.data).map((name) => [name, before.base[name]] as const)
    before.base = { ...base, ...Object.fromEntries(seen) }
    before.data = { ...before.data, ...data }
    before.edits = { ...before.edits, ...data }
    return true
  }
  if (op === 'delete' && before.op === 'create') {
    const isNamed = changes.some(
      ({ id, path, data: fields }) => id !== change.id && JSON.stringify([path, fields]).includes(change.id),
    )
    if (!isNamed) before.op = 'none'
    return !isNamed
  }
  // A row that was created, deleted and restored is created; one that was deleted and restored is as it was.
  if (op === 'restore' && (before.op === 'none' || before.op === 'delete')) {
    before.op = before.changes[0]?.op === 'create' ? 'create' : 'none'
    return true
  }
  if (op === 'delete' && before.op === 'none' && before.changes[0]?.op === 'delete') {
    before.op = 'delete'
    return true
  }
  return false
}

/** Of the fields that an operation sets, those that others have set meanwhile, to something else. */
export function clashes({ data, base }: Operation, theirs: RowFields): RowFields {
  return pick(data, (name) => !same(theirs[name], base[name]) && !same(theirs[name], data[name]))
}

/** The fields whose names pass. */
export function pick(fields: RowFields, passes: (name: string) => boolean): RowFields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => passes(name)))
}

/** Whether two values of a field are equal. */
export function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
