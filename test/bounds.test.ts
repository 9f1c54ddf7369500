import { describe, expect, test } from 'vitest'
import type { Statement } from '../src/d1/statement.ts'
import type { ListQuery } from '../src/engine/query.ts'
import { acrossParents, columnOf } from '../src/engine/resource.ts'
import { statementsFor } from '../src/engine/sql/statements.ts'
import { resources } from './collection.ts'
import sightings from './fixtures/sightings.ts'
import specimens from './fixtures/specimens.ts'

describe.each([...resources, sightings, specimens])('$name', (resource) => {
  const bound = (statement: Statement) => statement().slots.length

  test('binds at most the hundred parameters that D1 takes, whatever a request asks for', () => {
    const worst: number[] = []
    for (const lists of [resource, acrossParents(resource)].filter((each) => each !== undefined)) {
      const filters = new Map(lists.filter.map(({ parameter }) => [parameter, 'x']))
      for (const sort of [
        undefined,
        ...lists.sort.map((name) => ({ column: columnOf(lists, name), descending: true })),
      ]) {
        const query: ListQuery = {
          limit: 1,
          offset: 0,
          filters,
          ...(sort && { sort }),
          // More letters with a capital than are folded.
          ...(lists.search.length && { q: 'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþ' }),
          trashed: true,
          total: true,
          after: { id: 'x', key: 'x' },
          scope: '',
        }
        worst.push(bound(statementsFor(lists).list(query)), bound(statementsFor(lists).total(query)))
      }
    }
    const fields = [...resource.writable.keys()]
    const statements = statementsFor(resource)
    worst.push(bound(statements.create(fields)), bound(statements.create([])))
    worst.push(
      bound(statements.replace(fields, { match: true })),
      bound(statements.replace([], { match: true })),
    )
    worst.push(bound(statements.update(fields, { match: true })))
    expect(Math.max(...worst)).toBeLessThanOrEqual(100)
  })
})
