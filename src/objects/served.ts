import type { Resource } from '../engine/resource.ts'

/** What the objects of this Worker serve. */
export interface Served {
  resources: readonly Resource[]
  /** The SQL of each migration, by its name, in their order. */
  migrations: ReadonlyMap<string, string>
}

let served: Served = { resources: [], migrations: new Map() }

/** Tells the objects what they serve: the runtime makes them, so nobody else can. */
export function serve(resources: readonly Resource[], migrations: ReadonlyMap<string, string>): void {
  served = { resources, migrations }
}

/** What {@link serve} was told last. */
export function whatIsServed(): Served {
  return served
}
