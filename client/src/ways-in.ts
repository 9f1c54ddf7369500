import type { Account, AuthCall, Tokens } from './auth.ts'
import { segment } from './paths.ts'

/** A passkey of the account. */
export interface Passkey {
  id: string
  name: string
  created_at: string
  last_used_at: string | null
}

/** What of a browser these need: WebAuthn Level 3 and its JSON (Chrome 129, Firefox 119, Safari 18.4). */
interface Browser {
  navigator: {
    credentials: {
      create(options: object): Promise<Credential | null>
      get(options: object): Promise<Credential | null>
    }
  }
  PublicKeyCredential: {
    parseCreationOptionsFromJSON(json: object): object
    parseRequestOptionsFromJSON(json: object): object
  }
  location: { href: string; hash: string; pathname: string; search: string; assign(url: string): void }
  history: { replaceState(state: unknown, unused: string, url: string): void }
  sessionStorage: {
    getItem(key: string): string | null
    setItem(key: string, value: string): void
    removeItem(key: string): void
  }
}
interface Credential {
  toJSON(): object
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- these run in browsers alone
const browser = globalThis as unknown as Browser
const VERIFIER = 'freehold:verifier'

/** How a login by passkey asks. */
export interface PasskeyLogin {
  /** Waits behind the page, and offers passkeys in the autofill of a field `autocomplete="username webauthn"`. */
  conditional?: boolean
  /** Gives up. */
  signal?: unknown
}

/** Makes a passkey for an e-mail or, without one, for whoever is signed in. */
export async function makePasskey(call: AuthCall, email?: string): Promise<object> {
  const options = await (email === undefined
    ? call<object>('post', '/passkeys/options')
    : call<object>('post', '/register/passkey/options', { email }))
  const publicKey = browser.PublicKeyCredential.parseCreationOptionsFromJSON(options)
  return answerOf(await browser.navigator.credentials.create({ publicKey }))
}

/** Signs in by a passkey that the browser offers. */
export async function usePasskey(
  call: AuthCall,
  path: string,
  { conditional, signal }: PasskeyLogin,
): Promise<Tokens> {
  const options = await call<object>('post', '/login/passkey/options', undefined, true)
  const publicKey = browser.PublicKeyCredential.parseRequestOptionsFromJSON(options)
  const mediation = conditional ? 'conditional' : 'optional'
  const credential = await browser.navigator.credentials.get({
    publicKey,
    mediation,
    ...(signal !== undefined && { signal }),
  })
  return call('post', path, answerOf(credential), true)
}

/** Sends the browser to a provider. `link` adds what comes back to the account that is signed in. */
export async function toProvider(
  call: AuthCall,
  origin: string,
  provider: string,
  returnTo = browser.location.href,
  link = false,
): Promise<void> {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)))
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  browser.sessionStorage.setItem(VERIFIER, verifier)
  const query = new URLSearchParams({
    return_to: returnTo,
    code_challenge: base64url(new Uint8Array(digest)),
  })
  const path = `/login/${segment(provider)}?${query.toString()}`
  if (!link) return browser.location.assign(`${origin}/api/auth${path}`)
  const { location } = await call<{ location: string }>('get', path, undefined, false, {
    Accept: 'application/json',
  })
  browser.location.assign(location)
}

/** What a provider sent the browser back with, taken out of the address: the body that exchanges it, or why there is none. */
export function fromProvider(): { body?: object; error?: string } | undefined {
  const { hash, pathname, search } = browser.location
  const fragment = new URLSearchParams(hash.slice(1))
  const [code, error] = [fragment.get('code'), fragment.get('error')]
  const verifier = browser.sessionStorage.getItem(VERIFIER)
  // Another page may have sent the browser here with a code of its own.
  if (verifier === null || (code === null && error === null)) return undefined
  browser.sessionStorage.removeItem(VERIFIER)
  browser.history.replaceState(null, '', pathname + search)
  return code === null ? { error: error ?? '' } : { body: { code, code_verifier: verifier } }
}

/** The passkeys of an account. */
export interface Passkeys {
  /** Makes one on this device. Needs a login of the last ten minutes. */
  add(name?: string): Promise<Passkey>
  list(): Promise<Passkey[]>
  rename(id: string, name: string): Promise<Passkey>
  /** Throws `last_way_in`. */
  remove(id: string): Promise<void>
  /** Creates an account with a passkey in place of a password; it does not sign in. Throws `email_taken`. */
  register(email: string): Promise<Account>
}

/** What is done with passkeys, over the API. */
export function passkeysOf(call: AuthCall): Passkeys {
  return {
    add: async (name) =>
      call('post', '/passkeys', { ...(await makePasskey(call)), ...(name !== undefined && { name }) }),
    list: async () => (await call<{ passkeys: Passkey[] }>('get', '/passkeys?limit=100')).passkeys,
    rename: (id, name) => call('patch', `/passkeys/${segment(id)}`, { name }),
    remove: (id) => call('delete', `/passkeys/${segment(id)}`),
    register: async (email) => call('post', '/register', { email, passkey: await makePasskey(call, email) }),
  }
}

function answerOf(credential: Credential | null): object {
  if (!credential) throw new Error('The browser made no passkey.')
  return credential.toJSON()
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
