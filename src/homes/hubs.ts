import type { Bindings } from '../config.ts'

/** The object of an owner; undefined when the deployment has no binding for it. */
export function hubOf({ HUB }: Bindings, owner: string) {
  return HUB?.get(HUB.idFromName(owner))
}
