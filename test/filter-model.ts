import * as fc from 'fast-check'
import type { Filter } from '../src/engine/filters.ts'
import type { Resource } from '../src/engine/resource.ts'
import { fieldsOf, valueOf } from './arbitraries.ts'
import type { Json } from './client.ts'

// The model: what a filter means over plain objects, knowing nothing of SQL. A new kind of filter has one line here.
const models: Record<Filter['kind'], (held: Json, value: string) => boolean> = {
  equals: (held, value) => String(held) === value,
  has: (held, value) => held.includes(value),
  from: (held, value) => held !== null && Date.parse(held) >= Date.parse(value.toUpperCase()),
  upTo: (held, value) => held !== null && Date.parse(held) <= lastInstant(value),
}

function lastInstant(value: string): number {
  return value.length === 10 ? Date.parse(value) + 86_399_999 : Date.parse(value.toUpperCase())
}

/** Whether a row, as an answer shows it, passes a filter with this value. */
export function passes({ kind, column }: Filter, value: string, row: Json): boolean {
  return models[kind](row[column.name], value)
}

/** A value of a filter that the row passes. */
export function passedBy({ column }: Filter, row: Json): string {
  return String([row[column.name]].flat()[0])
}

/** Valid values of a filter, as a query string holds them: those that rows hold, so that some match, and others. */
export function filterValues(
  resource: Resource,
  { column }: Filter,
  rows: readonly Json[] = [],
): fc.Arbitrary<string> {
  const held = rows.flatMap((row): unknown[] => row[column.name] ?? []).map(String)
  const field = fieldsOf(resource).find(({ name }) => name === column.name)
  const shape = field?.shape.kind === 'array' ? field.shape.items : field?.shape
  const others = shape ? valueOf(shape).map(String) : fc.constant('nothing like it')
  return held.length ? fc.oneof(fc.constantFrom(...held), fc.constantFrom(...held), others) : others
}
