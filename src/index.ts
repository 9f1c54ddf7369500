import { createApp } from './app.ts'
import type { Bindings } from './env.ts'
import { purge } from './purge.ts'
import { resources, verbs } from './resources/index.ts'

const app = createApp(resources, verbs)

export default {
  fetch: app.fetch,
  scheduled: (_controller, env) => purge(resources, env.DB),
} satisfies ExportedHandler<Bindings>
