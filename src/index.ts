import { createApp } from './app.ts'
import type { Bindings } from './env.ts'
import { resources, verbs } from './resources/index.ts'

const app = createApp(resources, verbs)

export default { fetch: app.fetch } satisfies ExportedHandler<Bindings>
