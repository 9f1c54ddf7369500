import type { Context } from 'hono'
import type { App } from '../context.ts'

/** Whether a request wants to become a WebSocket (RFC 6455 §4.1). */
export function wantsWebSocket(c: Context<App>): boolean {
  return c.req.method === 'GET' && c.req.header('Upgrade')?.toLowerCase() === 'websocket'
}

/** The subprotocols that the client of a WebSocket offers, in its order. */
export function subprotocols(c: Context<App>): string[] {
  return (c.req.header('Sec-WebSocket-Protocol') ?? '').split(',').map((protocol) => protocol.trim())
}
