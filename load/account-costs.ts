import * as z from 'zod'
import type { newMailbox } from '../openapi/mailbox.ts'
import { ceremonies } from '../test/ceremonies.ts'

/** Rows that any engine would have to read or write, and why. */
export interface Bound {
  read: number
  written: number
  why: string
}

type Send = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string | undefined>,
) => Promise<{ status: number; headers: Headers; text: string }>

/** What the ledger lends. */
interface Ledger {
  send: Send
  /** Sends a request, and writes down what it took. */
  note: (name: string, bound: Bound, ...request: Parameters<Send>) => ReturnType<Send>
  mailbox: ReturnType<typeof newMailbox>
}

const PASSWORD = 'a password that nobody has'
const AUTH = '/api/auth'
const ORIGIN = 'https://api.test/'
const VERIFIER = 'a-verifier-that-is-long-enough-for-RFC-7636'
/** The SHA-256 of it, in base64url. */
const CHALLENGE = 'RlBsjzfF_69KXimd4t6uQgY-XB_zMcle7JB6a7qsvRs'

/** How many events the ledger asks for. */
const PAGE_OF_ACTIVITY = 5

const tokens = z.object({ access_token: z.string(), refresh_token: z.string() })
const row = z.object({ id: z.string() })
const sessions = z.object({ sessions: z.array(z.object({ id: z.string(), current: z.boolean() })) })
const object = z.record(z.string(), z.unknown())

/** The least that an operation takes. */
export function least(read: number, written: number, why: string): Bound {
  return { read, written, why }
}

/** Writes down every operation over an account. */
export async function noteAccounts({ send, note, mailbox }: Ledger): Promise<void> {
  const account = { email: 'ledger@example.com', password: PASSWORD }
  const logIn = async (of: object = account) => {
    const pair = tokens.parse(JSON.parse((await send('POST', `${AUTH}/login`, of, open())).text))
    return { ...pair, held: { Authorization: `Bearer ${pair.access_token}` } }
  }

  const newAccount = least(0, 4, 'the account and the mail’s token, each in its index')
  await note('register', newAccount, 'POST', `${AUTH}/register`, account, open())
  await note('register, e-mail taken', least(1, 0, 'the e-mail'), 'POST', `${AUTH}/register`, account, open())
  const loggedIn = least(1, 4, 'the account; the session and what is noted, each in its index')
  await note('login', loggedIn, 'POST', `${AUTH}/login`, account, open())
  const wrong = { ...account, password: 'not the password' }
  await note(
    'login, wrong password',
    least(1, 4, 'the account; the guesses and what is noted, each in its index'),
    'POST',
    `${AUTH}/login`,
    wrong,
    open(),
  )
  const stranger = { ...wrong, email: 'nobody@example.com' }
  await note(
    'login, no such account',
    least(1, 4, 'as with a wrong password'),
    'POST',
    `${AUTH}/login`,
    stranger,
    open(),
  )
  const { refresh_token, held } = await logIn()
  await note(
    'refresh',
    least(2, 2, 'the session and the account; the session and its end in the index'),
    'POST',
    `${AUTH}/refresh`,
    { refresh_token },
    open(),
  )
  const { id } = row.parse(JSON.parse((await send('POST', '/api/me/tasks', { title: 'One' }, held)).text))
  const inSession = least(2, 0, 'the row and the session')
  await note('get, with the token of a session', inSession, 'GET', `/tasks/${id}`, undefined, held)
  const within = least(3, 2, 'as without, and the session')
  await note('patch, with the token of a session', within, 'PATCH', `/tasks/${id}`, { title: 'Two' }, held)
  await note('me', least(2, 0, 'the account and the session'), 'GET', `${AUTH}/me`, undefined, held)
  await note('list sessions', least(3, 0, 'the sessions'), 'GET', `${AUTH}/sessions`, undefined, held)
  const other = sessions.parse(JSON.parse((await send('GET', `${AUTH}/sessions`, undefined, held)).text))
  const gone = other.sessions.find(({ current }) => !current)?.id ?? ''
  const ended = least(2, 3, 'both sessions; the one, and what is noted with its index')
  await note('end a session', ended, 'DELETE', `${AUTH}/sessions/${gone}`, undefined, held)
  const change = { current_password: PASSWORD, new_password: `${PASSWORD}!` }
  account.password = change.new_password
  await note(
    'change the password',
    least(2, 5, 'the account and the session; them, and what is noted, with its indexes'),
    'PUT',
    `${AUTH}/password`,
    change,
    held,
  )

  const verify = await mailbox.token('verify', account.email)
  await note(
    'verify an address',
    least(2, 5, 'the token and the account; both, what is noted, and their indexes'),
    'POST',
    `${AUTH}/email/verify`,
    { token: verify },
    open(),
  )
  const forgot = { email: account.email }
  const asked = least(1, 2, 'the e-mail; the token and its end in the index')
  await note('forgot the password', asked, 'POST', `${AUTH}/password/forgot`, forgot, open())
  await note(
    'forgot it, no such account',
    asked,
    'POST',
    `${AUTH}/password/forgot`,
    { email: stranger.email },
    open(),
  )
  const reset = { token: await mailbox.token('reset', account.email), new_password: PASSWORD }
  account.password = PASSWORD
  await note(
    'reset the password',
    least(2, 5, 'the token and the account; both, what is noted, and their indexes'),
    'POST',
    `${AUTH}/password/reset`,
    reset,
    open(),
  )
  const again = (await logIn()).held
  await note(
    'ask for another address',
    least(2, 4, 'the account and the session; the token and what is noted, each in its index'),
    'PUT',
    `${AUTH}/email`,
    { email: 'next@example.com' },
    again,
  )

  const adding = await note(
    'options of a new passkey',
    least(2, 0, 'the account and the session'),
    'POST',
    `${AUTH}/passkeys/options`,
    undefined,
    again,
  )
  const passkey = ceremonies.newPasskey(object.parse(JSON.parse(adding.text)))
  const added = await note(
    'add a passkey',
    least(
      2,
      5,
      'the account and the session; the passkey and what is noted, each in its index, and the challenge',
    ),
    'POST',
    `${AUTH}/passkeys`,
    passkey.answer,
    again,
  )
  const path = `${AUTH}/passkeys/${row.parse(JSON.parse(added.text)).id}`
  await note(
    'list passkeys',
    least(2, 0, 'the passkey and the session'),
    'GET',
    `${AUTH}/passkeys`,
    undefined,
    again,
  )
  await note(
    'rename a passkey',
    least(2, 1, 'the passkey and the session'),
    'PATCH',
    path,
    { name: 'Key' },
    again,
  )
  const asking = await note(
    'options of a login by passkey',
    least(0, 0, 'the database is not asked'),
    'POST',
    `${AUTH}/login/passkey/options`,
    undefined,
    open(),
  )
  await note(
    'login by passkey',
    least(
      2,
      6,
      'the passkey and the account; the passkey, the challenge, the session and what is noted, with indexes',
    ),
    'POST',
    `${AUTH}/login/passkey`,
    passkey.use(object.parse(JSON.parse(asking.text))),
    open(),
  )
  await note(
    'remove a passkey',
    least(3, 3, 'the account, the passkey and the session; the passkey, and what is noted with its index'),
    'DELETE',
    path,
    undefined,
    again,
  )
  const byPasskey = { email: 'passkey@example.com' }
  const made = await send('POST', `${AUTH}/register/passkey/options`, byPasskey, open())
  await note(
    'register by passkey',
    least(
      0,
      9,
      'the account, the passkey, the mail’s token and what is noted, each in its index; the challenge',
    ),
    'POST',
    `${AUTH}/register`,
    { ...byPasskey, passkey: ceremonies.newPasskey(object.parse(JSON.parse(made.text))).answer },
    open(),
  )

  const query = new URLSearchParams({ return_to: ORIGIN, code_challenge: CHALLENGE })
  const begun = await note(
    'begin a sign-in with a provider',
    least(0, 0, 'the database is not asked'),
    'GET',
    `${AUTH}/login/github?${query.toString()}`,
    undefined,
    open(),
  )
  const [cookie = ''] = begun.headers.getSetCookie().map((each) => each.split(';')[0])
  const back = ceremonies.signIn(begun.headers.get('Location') ?? '')
  const returned = await note(
    'come back from it, a new account',
    least(
      2,
      7,
      'the identity and the e-mail; the account, the identity and what is noted, each in its index, and the state',
    ),
    'GET',
    `${AUTH}/callback/github?${back.toString()}`,
    undefined,
    open({ Cookie: cookie }),
  )
  const code = new URLSearchParams(new URL(returned.headers.get('Location') ?? '').hash.slice(1)).get('code')
  await note(
    'exchange its code',
    least(
      2,
      6,
      'the identity and the account; the identity, the code, the session and what is noted, with indexes',
    ),
    'POST',
    `${AUTH}/token`,
    { code, code_verifier: VERIFIER },
    open(),
  )
  await note('list identities', least(1, 0, 'the session'), 'GET', `${AUTH}/identities`, undefined, again)
  const noted = least(PAGE_OF_ACTIVITY + 1, 0, 'the page and the session')
  await note('what happened', noted, 'GET', `${AUTH}/activity?limit=${PAGE_OF_ACTIVITY}`, undefined, again)

  const guest = await note(
    'start as a guest',
    least(0, 6, 'the account, the session and what is noted, each in its index'),
    'POST',
    `${AUTH}/guest`,
    undefined,
    open(),
  )
  const { access_token } = tokens.parse(JSON.parse(guest.text))
  const guests = { Authorization: `Bearer ${access_token}` }
  await note(
    'a guest registers',
    least(
      2,
      4,
      'the account and the session; the account, its e-mail in the index, the mail’s token and its end',
    ),
    'POST',
    `${AUTH}/register`,
    { email: 'guest@example.com', password: PASSWORD },
    guests,
  )
  await note(
    'export an account',
    least(4, 2, 'the account, its session and what is noted of it; this, too, with its index'),
    'GET',
    '/api/me/export',
    undefined,
    guests,
  )
  await note(
    'erase an account',
    least(5, 6, 'the account and all that is its own; that, and its tombstone with its index'),
    'DELETE',
    '/api/me',
    undefined,
    guests,
  )
  await note(
    'log out',
    least(1, 3, 'the session; it, and what is noted with its index'),
    'POST',
    `${AUTH}/logout`,
    undefined,
    again,
  )
  await note('get, after that', least(0, 0, 'nothing is there'), 'GET', `/tasks/${id}`, undefined, again)
}

/** The headers of a request that brings another token than the ledger's, or none. */
function open(headers: Record<string, string> = {}): Record<string, string | undefined> {
  return { Authorization: undefined, ...headers }
}
