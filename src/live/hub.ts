import { DurableObject } from 'cloudflare:workers'
import { sessionEnd } from '../auth/session-guard.ts'
import type { Bindings } from '../config.ts'
import { noCost, openDatabase } from '../d1/database.ts'
import { d1Home } from '../d1/home.ts'
import {
  closings,
  connectionIn,
  sessionTag,
  userTag,
  type Closing,
  type Connection,
  type Hint,
} from './connection.ts'
import { hubOf } from '../homes/hubs.ts'

/** What the keys begin with that note which owner a session of this one's uses: `watch <session> <owner>`. */
const WATCH = 'watch '
/** How many connections a user, and one session of a user, may have to one owner. */
const MAX_OF_USER = 32
const MAX_OF_SESSION = 10
/** How long after a fault the database is asked again whether a session has ended, in milliseconds. */
const ASK_AGAIN = 60_000

/**
 * The live connections of one owner (contract §10). Its WebSockets hibernate: between two hints nothing of it is in
 * memory, the runtime answers `ping`, and an idle connection costs nothing. It keeps no queue, so losing a hint costs a
 * delay and nothing else.
 */
export class Hub extends DurableObject<Bindings> {
  /** What was announced since the hub woke: requests that write at the same time may announce in the wrong order. */
  readonly #newest: Hint = { bookmark: null, revisions: {} }

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  /** Opens a connection for the caller whom the Worker has verified and describes in the header `connection-of`. */
  override async fetch(request: Request): Promise<Response> {
    const connection = connectionIn(JSON.parse(request.headers.get('connection-of') ?? ''))
    const { user, session, until } = connection
    const { 0: client, 1: server } = new WebSocketPair()
    const tags = [userTag(user), ...(session ? [sessionTag(session)] : [])]
    this.ctx.acceptWebSocket(server, tags)
    server.serializeAttachment(connection)
    if (session) this.#closeOldest(sessionTag(session), MAX_OF_SESSION)
    this.#closeOldest(userTag(user), MAX_OF_USER)
    await this.wakeAt(until)
    send(server, { type: 'ready' })
    return new Response(null, { status: 101, webSocket: client })
  }

  /**
   * Tells every connection what was written. Revisions and bookmarks never go back: a hint that comes after a newer one
   * repeats the newer one.
   */
  announce({ bookmark, revisions }: Hint): void {
    const newest = this.#newest
    if (bookmark && bookmark > (newest.bookmark ?? '')) newest.bookmark = bookmark
    const told: Hint['revisions'] = {}
    for (const [collection, revision] of Object.entries(revisions)) {
      const highest = Math.max(revision, newest.revisions[collection] ?? 0)
      newest.revisions[collection] = told[collection] = highest
    }
    for (const socket of this.#open()) {
      send(socket, { type: 'changed', bookmark: newest.bookmark, revisions: told })
    }
  }

  /** Closes the connections of ended sessions of this owner's, here and wherever else they watch. */
  async endSessions(sessions: readonly string[]): Promise<void> {
    for (const session of sessions) {
      this.close('ended', sessionTag(session))
      await this.#closeAbroad('ended', sessionTag(session), `${session} `)
    }
  }

  /** The other owners that sessions of this one's may be using. */
  protected watched(): string[] {
    const noted = [...this.ctx.storage.kv.list<number>({ prefix: WATCH })]
    return [...new Set(noted.filter(([, end]) => end > Date.now()).map(([key]) => ownerIn(key)))]
  }

  /** Closes all connections to this owner, and those of this owner to others. Nothing is kept of an erased owner. */
  async erase(owner: string): Promise<void> {
    this.close('erased')
    await this.#closeAbroad('erased', userTag(owner))
    await this.ctx.storage.deleteAll()
  }

  /** Closes the connections with a tag, or all, for a reason. */
  close(closing: Closing, tag?: string): void {
    for (const socket of this.#open(tag)) close(socket, closing)
  }

  /**
   * Notes that this owner is about to use or watch another one, since its sessions end here. To be called before the connection is
   * opened, so that no end can miss it.
   */
  async watches(
    owner: string,
    { session = '', until }: Pick<Connection, 'session' | 'until'>,
  ): Promise<void> {
    const noted = await this.ctx.storage.list<number>({ prefix: WATCH })
    const past = [...noted].filter(([, end]) => end <= Date.now()).map(([key]) => key)
    await this.ctx.storage.delete(past)
    await this.ctx.storage.put(`${WATCH}${session} ${owner}`, until)
  }

  /** A client has nothing to say but `ping`, which does not come here. */
  override webSocketMessage(socket: WebSocket): void {
    close(socket, 'unexpected')
  }

  /** Ends the connections whose token has expired, or whose session was not used for too long. */
  override async alarm(): Promise<void> {
    const now = Date.now()
    for (const socket of this.#open()) {
      const connection = connectionOf(socket)
      if (connection.until > now) continue
      const until = await this.#endOf(connection)
      if (until <= now) close(socket, 'ended')
      else socket.serializeAttachment({ ...connection, until })
    }
    const ends = this.#open().map((socket) => connectionOf(socket).until)
    if (ends.length) await this.wakeAt(Math.min(...ends))
  }

  /** The sockets that are open, of a tag or all. Those that are closing are still listed for a moment. */
  #open(tag?: string): WebSocket[] {
    return this.ctx.getWebSockets(tag).filter(({ readyState }) => readyState === WebSocket.OPEN)
  }

  #closeOldest(tag: string, most: number): void {
    const sockets = this.#open(tag).toSorted(
      (one, other) => connectionOf(one).since - connectionOf(other).since,
    )
    for (const socket of sockets.slice(0, Math.max(0, sockets.length - most))) close(socket, 'superseded')
  }

  async #closeAbroad(closing: Closing, tag: string, session = ''): Promise<void> {
    const noted = await this.ctx.storage.list({ prefix: `${WATCH}${session}` })
    const owners = new Set([...noted.keys()].map(ownerIn))
    await Promise.all([...owners].map(async (owner) => hubOf(this.env, owner)?.close(closing, tag)))
    await this.ctx.storage.delete([...noted.keys()])
  }

  /** Has the object's alarm come at this time at the latest, in milliseconds since 1970. */
  protected async wakeAt(time: number): Promise<void> {
    const planned = await this.ctx.storage.getAlarm()
    if (planned === null || time < planned) await this.ctx.storage.setAlarm(time)
  }

  /** When a connection has to end, in milliseconds since 1970. Each refresh puts off the end of a session. */
  async #endOf({ user, session, until }: Connection): Promise<number> {
    if (!session) return until
    try {
      const database = openDatabase(d1Home(this.env.DB), noCost())
      const [[row] = []] = await database.batch([sessionEnd(user, session)], { repeatable: true })
      return row ? Date.parse(String(row.ends_at)) : 0
    } catch {
      return Date.now() + ASK_AGAIN
    }
  }
}

function ownerIn(key: string): string {
  return key.slice(key.indexOf(' ', WATCH.length) + 1)
}

function connectionOf(socket: WebSocket): Connection {
  return connectionIn(socket.deserializeAttachment())
}

function send(socket: WebSocket, message: object): void {
  try {
    socket.send(JSON.stringify(message))
  } catch {
    // It went away this moment; the others still have to hear.
  }
}

function close(socket: WebSocket, closing: Closing): void {
  const [code, reason] = closings[closing]
  try {
    socket.close(code, reason)
  } catch {
    // It went away this moment.
  }
}
