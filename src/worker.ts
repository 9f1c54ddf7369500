import { createApp } from './app.ts'
import type { Bindings } from './config.ts'
import type { Resource } from './engine/resource.ts'
import type { Verb } from './engine/routes.ts'
import { purge } from './user/purge.ts'

export { Hub } from './live/hub.ts'

/** What a Worker serves: as src/resources/index.ts, which is generated, exports it. */
export interface Api {
  /** The resources, each after its parent. */
  resources: readonly Resource[]
  /** The routes beside them. */
  verbs: readonly Verb[]
  /** The names of the migrations that this version needs: `/ready` waits for them. */
  migrations: readonly string[]
}

/**
 * The package `freehold/worker`: the Worker that serves an API. `fetch` is the API itself; `scheduled` purges what has
 * been in the trash for 30 days. The Worker's entry also exports the class `Hub`, which holds the live connections.
 */
export function createWorker({ resources, verbs, migrations }: Api) {
  const app = createApp(resources, verbs, migrations)
  return {
    fetch: app.fetch,
    scheduled: (_controller, env) => purge(resources, env),
  } satisfies ExportedHandler<Bindings>
}
