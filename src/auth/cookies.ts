import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { App } from '../context.ts'

const ACCESS = 'access_token'
const REFRESH = 'refresh_token'
const PREFIX = 'host'
/** With the `__Host-` prefix (RFC 6265bis §4.1.3.2): from this host alone, over TLS, for every path. */
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', prefix: PREFIX } as const

/** The access token in the request's cookie. */
export function accessCookie(c: Context<App>): string | undefined {
  return getCookie(c, ACCESS, PREFIX)
}

/** The refresh token in the request's cookie. */
export function refreshCookie(c: Context<App>): string | undefined {
  return getCookie(c, REFRESH, PREFIX)
}

/** Gives the browser both tokens, for as many seconds as each lives. */
export function setTokenCookies(
  c: Context<App>,
  access: { token: string; seconds: number },
  refresh: { token: string; seconds: number },
): void {
  setCookie(c, ACCESS, access.token, { ...ATTRIBUTES, maxAge: access.seconds })
  setCookie(c, REFRESH, refresh.token, { ...ATTRIBUTES, maxAge: refresh.seconds })
}

/** Takes both tokens from the browser. */
export function clearTokenCookies(c: Context<App>): void {
  deleteCookie(c, ACCESS, ATTRIBUTES)
  deleteCookie(c, REFRESH, ATTRIBUTES)
}
