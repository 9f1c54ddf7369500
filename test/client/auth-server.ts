import { tokenFor } from '../client.ts'
import type { Fault } from './network.ts'

/**
 * The routes under /api/auth as the contract says them, for one user, with every token of one use: what a test needs in
 * order to see how often a client refreshes. Everything else goes to the Worker.
 */
export function authServer(userId: string, { accessSeconds = 600 } = {}) {
  const seen = { refreshes: 0 }
  let refresh = ''
  let last: { used: string; pair: object } | undefined

  async function pair() {
    refresh = crypto.randomUUID()
    const now = Math.floor(Date.now() / 1000)
    const access_token = await tokenFor(userId, { exp: now + accessSeconds, jti: refresh })
    return { access_token, token_type: 'bearer', expires_in: accessSeconds, refresh_token: refresh }
  }

  return {
    seen,
    /** Ends the session, as another device would. */
    end: () => (refresh = ''),
    async answer(request: Request): Promise<Fault | undefined> {
      const { pathname } = new URL(request.url)
      if (!pathname.startsWith('/api/auth/')) return undefined
      const body: Record<string, string> = request.method === 'POST' ? await request.clone().json() : {}
      if (pathname === '/api/auth/register') {
        return Response.json({ id: userId, email: body.email, role: 'user', created_at: '' }, { status: 201 })
      }
      if (pathname === '/api/auth/login') return Response.json(await pair())
      if (pathname === '/api/auth/logout') {
        refresh = ''
        return new Response(null, { status: 204 })
      }
      seen.refreshes += 1
      // A lost answer is given again.
      if (refresh && last && last.used === body.refresh_token) return Response.json(last.pair)
      if (!refresh || body.refresh_token !== refresh) return new Response(null, { status: 401 })
      const used = refresh
      const next = await pair()
      last = { used, pair: next }
      return Response.json(next)
    },
  }
}
