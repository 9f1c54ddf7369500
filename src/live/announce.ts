import { createMiddleware } from 'hono/factory'
import { readConfig, type Bindings } from '../config.ts'
import type { App } from '../context.ts'
import { afterAnswer } from '../http/after-answer.ts'
import type { Written } from '../d1/database.ts'
import { log } from '../log.ts'
import { userTag, type Hint } from './connection.ts'
import { hubOf } from '../homes/hubs.ts'

/** What live connections must hear of one owner. */
interface News {
  revisions: Hint['revisions']
  /** The sessions of this owner that have ended. */
  ended: string[]
  /** The users whose membership of this owner, a team, has changed. */
  changed: string[]
  /** Whether the owner is gone, with all that it owned. */
  erased: boolean
}

/** How often a hub is told, and how long the first wait is, in milliseconds; each next one is twice as long. */
const TRIES = 3
const FIRST_WAIT = 100
/** How long an answer waits for the connections of an ended session to be closed, in milliseconds. */
const PATIENCE = 1_000

/**
 * Tells the hubs what the request has committed, after its answer: no write waits for them or fails with them. Only the end
 * of a session is told before the answer, if that takes no more than a second, so that not one hint follows it.
 */
export const announce = createMiddleware<App>(async function announce(c, next) {
  await next()
  const ways = new Set([c.get('database'), c.get('directory')])
  const news = newsIn([...ways].flatMap((database) => database?.written() ?? []))
  if (c.get('erased')) news.set(c.get('owner'), { ...nothing(), erased: true })
  if (!news.size || !c.env.HUB || !readConfig(c.env).LIVE) return
  const told = tellAll(c.env, news, c.res.headers.get('x-d1-bookmark'))
  afterAnswer(c, told)
  const urgent = [...news.values()].some(
    ({ ended, changed, erased }) => ended.length > 0 || changed.length > 0 || erased,
  )
  if (urgent) await within(PATIENCE, told)
})

/** How many hubs are told at once when there are many. */
const AT_ONCE = 20

/** {@link announce} for work that no request asked for. */
export async function announceWritten(env: Bindings, written: readonly Written[]): Promise<void> {
  if (!env.HUB || !readConfig(env).LIVE) return
  const news = [...newsIn(written)]
  for (let at = 0; at < news.length; at += AT_ONCE) {
    await tellAll(env, new Map(news.slice(at, at + AT_ONCE)), null)
  }
}

/** The highest revision that was written of each collection, whoever's: of a batch over one owner's rows. */
export function revisionsIn(written: readonly Written[]): Hint['revisions'] {
  const revisions: Hint['revisions'] = {}
  for (const { table, rows } of written) {
    for (const { revision } of rows) {
      if (typeof revision === 'number') revisions[table] = Math.max(revision, revisions[table] ?? 0)
    }
  }
  return revisions
}

function nothing(): News {
  return { revisions: {}, ended: [], changed: [], erased: false }
}

/** What was written, by owner: of rows their revisions, of sessions that some have ended, of teams who is out or lower. */
function newsIn(written: readonly Written[]): Map<string, News> {
  const news = new Map<string, News>()
  for (const { verb, table, rows } of written) {
    for (const { team_id, user_id, id, revision } of rows) {
      const owner = table === 'teams' ? id : (team_id ?? user_id)
      if (typeof owner !== 'string') continue
      const about = news.get(owner) ?? nothing()
      if (typeof revision === 'number') {
        about.revisions[table] = Math.max(revision, about.revisions[table] ?? 0)
      } else if (table === 'sessions' && verb === 'DELETE') about.ended.push(String(id))
      else if (table === 'team_members' && verb === 'UPDATE') about.changed.push(String(user_id))
      else if (table === 'teams' && verb === 'DELETE') about.erased = true
      else continue
      news.set(owner, about)
    }
  }
  return news
}

async function tellAll(
  env: Bindings,
  news: ReadonlyMap<string, News>,
  bookmark: string | null,
): Promise<void> {
  await Promise.all([...news].map(([owner, about]) => tell(env, owner, about, bookmark)))
}

/** Tells the hub of an owner; never rejects. */
async function tell(
  env: Bindings,
  owner: string,
  about: News,
  bookmark: string | null,
  tries = TRIES,
): Promise<void> {
  const { revisions, ended, changed, erased } = about
  try {
    // Each try takes a new stub: a stub that failed may stay broken.
    const hub = hubOf(env, owner)
    if (erased) await hub?.erase(owner)
    for (const user of changed) await hub?.close('changed', userTag(user))
    if (ended.length) await hub?.endSessions(ended)
    if (Object.keys(revisions).length) await hub?.announce({ bookmark, revisions })
  } catch (error) {
    if (tries > 1) {
      await scheduler.wait(FIRST_WAIT * 2 ** (TRIES - tries))
      return tell(env, owner, about, bookmark, tries - 1)
    }
    log('error', { event: 'announcement_failed', error: error instanceof Error ? error.name : 'unknown' })
  }
}

/** Resolves with the work, or after so many milliseconds. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, milliseconds)
  await Promise.race([work, late.promise])
  clearTimeout(timer)
}
