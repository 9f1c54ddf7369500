import type { Bindings } from '../config.ts'

/** The hub of an owner; undefined when the deployment has no binding for hubs. */
export function hubOf({ HUB }: Bindings, owner: string) {
  return HUB?.get(HUB.idFromName(owner))
}
