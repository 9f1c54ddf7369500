import { test } from 'vitest'
import type { Api } from '../src/worker.ts'

/**
 * The package `freehold/testing`: declares the tests of every resource of an API, in the Workers runtime and on a real
 * D1: its contract, the isolation of its users, its lists, hostile input, and the plan of every query.
 */
export async function testResources(api: Api): Promise<void> {
  if (!api.resources.length) {
    test.todo('declare a resource: npm run resource -- --help')
    return
  }
  // The suites read it while they load: see src/resources/index.ts of the package.
  Object.assign(globalThis, { freeholdApi: api })
  await import('./generated/contract.test.ts')
  await import('./generated/isolation.test.ts')
  await import('./generated/lists.test.ts')
  await import('./generated/hostile.test.ts')
  await import('./generated/plans.test.ts')
}

export { call, newId, newUser, tokenFor, type Answer } from './client.ts'
