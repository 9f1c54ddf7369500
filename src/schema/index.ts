/**
 * The engine's own tables. Their migrations lie beside this file and come with the package: `npm run migrate:new` writes
 * one here when a table has changed, and copies those that a project does not have yet into its migrations/.
 */
export * from '../accounts/schema.ts'
export * from '../auth/schema.ts'
export * from '../teams/schema.ts'
export { idempotencyKeys } from '../engine/idempotency.ts'
export { remainingRows } from '../engine/quota.ts'
