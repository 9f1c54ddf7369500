import { createApp } from './app.ts'
import type { Bindings } from './config.ts'
import type { Resource } from './engine/resource.ts'
import type { Verb } from './engine/routes.ts'
import { relocate } from './objects/relocate.ts'
import { serve } from './objects/served.ts'
import { purge } from './user/purge.ts'

export { Owner as Hub } from './objects/owner.ts'

/** What a Worker serves: as src/resources/index.ts, which is generated, exports it. */
export interface Api {
  /** The resources, each after its parent. */
  resources: readonly Resource[]
  /** The routes beside them. */
  verbs: readonly Verb[]
  /** The names of the migrations that this version needs: `/ready` waits for them. */
  migrations: readonly string[]
  /** What each of them does to the object of an owner, as SQL. */
  schema?: readonly string[]
}

/**
 * The package `freehold/worker`: the Worker that serves an API. `fetch` is the API itself; `scheduled` purges what has
 * been in the trash for 30 days, and moves owners to where `ROWS` says. The Worker's entry also exports the class `Hub`: an object for each owner, which holds the live connections and, with
 * `ROWS` at `objects`, the rows.
 */
export function createWorker({ resources, verbs, migrations, schema = [] }: Api) {
  serve(resources, new Map(migrations.map((name, at) => [name, schema[at] ?? ''])))
  const app = createApp(resources, verbs, migrations)
  return {
    fetch: app.fetch,
    async scheduled(_controller, env) {
      await purge(resources, env)
      await relocate(env)
    },
  } satisfies ExportedHandler<Bindings>
}
