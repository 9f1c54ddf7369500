import type { Bindings } from '../src/config.ts'
import worker from '../src/index.ts'
import { invocation, production } from './production.ts'

export { Hub } from '../src/index.ts'

/** The Worker that the tests call: the API's own, within the limits of production. */
export default {
  fetch: (request, env, context) => invocation(() => worker.fetch(request, production(env), context)),
  scheduled: (controller, env) => invocation(() => worker.scheduled(controller, production(env))),
} satisfies ExportedHandler<Bindings>
