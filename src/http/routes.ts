import { HonoBase, type HonoOptions } from 'hono/hono-base'
import { SmartRouter } from 'hono/router/smart-router'
import { TrieRouter } from 'hono/router/trie-router'
import type { App } from '../context.ts'

/**
 * Hono with the only one of its routers that can hold a word and a parameter in the same place, as `/api/auth` and
 * `/api/{user_id}`: Hono's own class would bring another one along, and try that first in every isolate. The routes are
 * put into it when the first request comes.
 */
export class Routes extends HonoBase<App> {
  constructor(options?: HonoOptions<App>) {
    super(options)
    this.router = new SmartRouter({ routers: [new TrieRouter()] })
  }
}
