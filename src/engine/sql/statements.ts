import { memo } from '../../memo.ts'
import { keysOf } from '../idempotency.ts'
import { quotaOf } from '../quota.ts'
import type { Resource } from '../resource.ts'
import { readsOf } from './reads.ts'
import { writesOf } from './writes.ts'

/** Every statement over one owner's rows of a resource, made once an isolate and compiled at its first use. */
export const statementsFor = memo((resource: Resource) => ({
  ...readsOf(resource),
  ...writesOf(resource),
  keys: keysOf(resource),
  quota: quotaOf(resource),
}))
