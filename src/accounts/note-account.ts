import type { Context } from 'hono'
import { readConfig } from '../config.ts'
import type { App } from '../context.ts'
import { derivedKey } from './derived-key.ts'

/**
 * Tells the log which account a request without a token is about: its id, once it is known, and its e-mail as a keyed
 * digest, which tells attempts on one account from attempts on many and names nobody.
 */
export async function noteAccount(c: Context<App>, email: string, id?: string): Promise<void> {
  const key = await derivedKey(readConfig(c.env), 'e-mails in the log')
  const digest = new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(email)))
  const hex = Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')
  c.set('account', { emailKey: hex, id })
}
