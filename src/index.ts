import { createApp } from './app.ts'
import type { Bindings } from './config.ts'
import { purge } from './user/purge.ts'
import { resources, verbs } from './resources/index.ts'

const app = createApp(resources, verbs)

export default {
  fetch: app.fetch,
  scheduled: (_controller, env) => purge(resources, env.DB),
} satisfies ExportedHandler<Bindings>
