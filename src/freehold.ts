/**
 * The package `freehold`: what a declaration in src/resources and a route beside it are made of. These exports follow
 * semantic versioning; everything else of the engine may change with any version.
 */
export { NOW } from './d1/clock.ts'
export * from './engine/fields.ts'
export type { Filter, FilterDeclaration } from './engine/filters.ts'
export { defineResource, instant, ownedTable, parent, reference } from './engine/resource.ts'
export type { Declaration, OwnedTable, Resource, Write } from './engine/resource.ts'

export type { App } from './context.ts'
export { ifMatch } from './engine/conditional.ts'
export { answer, rowId, storeOf, type Verb } from './engine/routes.ts'
export { otherMethods } from './http/methods.ts'
export { Routes } from './http/routes.ts'
export { Problem } from './problems.ts'
