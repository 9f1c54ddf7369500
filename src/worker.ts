import { createApp } from './app.ts'
import type { Bindings } from './config.ts'
import type { Resource } from './engine/resource.ts'
import type { Verb } from './engine/routes.ts'
import { purge } from './user/purge.ts'

export { Hub } from './live/hub.ts'

/**
 * The package `freehold/worker`: the Worker that serves these resources, parents before their children, and the routes
 * beside them. `fetch` is the API; `scheduled` purges what has been in the trash for 30 days. The
 * Worker's entry also exports the class `Hub`, which holds the live connections.
 */
export function createWorker(resources: readonly Resource[], verbs: readonly Verb[] = []) {
  const app = createApp(resources, verbs)
  return {
    fetch: app.fetch,
    scheduled: (_controller, env) => purge(resources, env),
  } satisfies ExportedHandler<Bindings>
}
