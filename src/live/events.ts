import type { Context } from 'hono'
import { sessionEnd } from '../auth/session-guard.ts'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { openDatabase } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import { isTeamId } from '../ids.ts'
import { guardsOf } from '../http/bookmark.ts'
import { otherMethods } from '../http/methods.ts'
import { subprotocols, wantsWebSocket } from '../http/websocket.ts'
import { Routes } from '../http/routes.ts'
import { log } from '../log.ts'
import { Problem } from '../problems.ts'
import type { Connection } from './connection.ts'
import { eventStream } from './event-stream.ts'
import { hubOf } from '../homes/hubs.ts'

const SUBPROTOCOL = 'freehold'
const EVENT_STREAM = 'text/event-stream'

/**
 * `GET /api/{user_id}/events`: hints of what is committed, as a WebSocket or as server-sent events (contract §10). Throws
 * `not_found` where LIVE is off, `not_acceptable`, `session_ended`, `misconfigured` without the hubs' binding.
 */
export const events = new Routes()

events.get('/', async (c) => {
  if (!readConfig(c.env).LIVE) throw new Problem('not_found')
  const upgrade = wantsWebSocket(c)
  if (!upgrade && !accepts(c, EVENT_STREAM)) throw new Problem('not_acceptable')
  if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': EVENT_STREAM })

  const webSocket = await connect(c)
  if (!upgrade) return c.body(eventStream(webSocket), 200, { 'Content-Type': EVENT_STREAM })
  const headers = new Headers(c.res.headers)
  // Never the one with the token in it.
  if (subprotocols(c).includes(SUBPROTOCOL)) headers.set('Sec-WebSocket-Protocol', SUBPROTOCOL)
  return new Response(null, { status: 101, webSocket, headers })
})

otherMethods(events, '/')

/**
 * A socket to the owner's hub. The session, and in a team the membership, is looked at before, so that a dead one opens
 * nothing, and again once the hub knows the socket: an end before that is seen here, and one after that closes the socket.
 */
async function connect(c: Context<App>): Promise<WebSocket> {
  const { userId: user, sessionId: session } = c.get('identity')
  const owner = c.get('owner')
  const since = Date.now()
  const until = await endOf(c)
  const connection: Connection = { user, ...(session && { session }), since, until }
  const hub = hubOf(c.env, owner)
  if (!hub) {
    log('error', { event: 'misconfigured', faults: ['the binding HUB is missing'] })
    throw new Problem('misconfigured')
  }
  if (owner !== user) await hubOf(c.env, user)?.watches(owner, connection)
  const { webSocket } = await hub.fetch('https://hub/', {
    headers: { Upgrade: 'websocket', 'connection-of': JSON.stringify(connection) },
  })
  if (!webSocket) throw new Error('the hub opened no socket')
  if (!session && owner === user) return webSocket
  try {
    await endOf(c)
    return webSocket
  } catch (error) {
    webSocket.accept()
    webSocket.close()
    throw error
  }
}

/**
 * When the connection has to end unless its session is used, in milliseconds since 1970. Throws `session_ended`, and for a
 * team what its guards throw.
 */
async function endOf(c: Context<App>): Promise<number> {
  const { userId, sessionId } = c.get('identity')
  const guards = isTeamId(c.get('owner')) ? guardsOf(c) : []
  const asked = sessionId ? [sessionEnd(userId, sessionId)] : []
  const expiry = c.get('expires') * 1_000
  if (!guards.length && !asked.length) return expiry
  // Not the request's database, which may be a replica that does not know yet.
  const database = openDatabase(d1Home(c.env.DB, guards), c.get('cost'))
  const [[row] = []] = await database.batch(asked, { repeatable: true })
  if (!sessionId) return expiry
  if (!row) throw new Problem('session_ended')
  return Date.parse(String(row.ends_at))
}

/** Whether the request names a media type; a wildcard does not count: such a client does not expect a stream that never ends. */
function accepts(c: Context<App>, type: string): boolean {
  const ranges = (c.req.header('Accept') ?? '').split(',').map((range) => range.trim().toLowerCase())
  return ranges.some((range) => range.split(';', 1)[0]?.trim() === type && !/;\s*q=0(\.0*)?$/.test(range))
}
