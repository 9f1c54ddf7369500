import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import type { Row } from '../../d1/database.ts'
import { log } from '../../log.ts'
import type { Resource } from '../resource.ts'

/** A row as a client sees it. What SQLite has no type for is decoded in place; a stored value that cannot be is its default. */
export function decode(resource: Resource, row: Row): Row {
  for (const column of resource.encoded) {
    const value = row[column.name]
    if (value === null) continue
    row[column.name] = column.dataType === 'boolean' ? value === 1 : parse(resource, column, value)
  }
  return row
}

function parse(resource: Resource, column: SQLiteColumn, value: unknown): unknown {
  try {
    const parsed: unknown = JSON.parse(String(value))
    if (Array.isArray(parsed) || !Array.isArray(column.default)) return parsed
  } catch {
    // Not even JSON.
  }
  log('error', { event: 'malformed_row', table: resource.name, column: column.name })
  return column.default ?? null
}
