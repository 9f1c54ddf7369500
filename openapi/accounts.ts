import * as z from 'zod'
import {
  credentials,
  emailBody,
  emailChange,
  logoutBody,
  passwordChange,
  passwordReset,
  passkeyName,
  passkeyRegistrant,
  proofBody,
  passwordGrant,
  passwordRegistration,
  refreshBody,
  refreshGrant,
  tokenBody,
} from '../src/accounts/bodies.ts'
import type { Activity } from '../src/accounts/activity.ts'
import type { Identity } from '../src/accounts/identities.ts'
import type { Passkey } from '../src/accounts/passkeys.ts'
import type { Session } from '../src/accounts/sessions.ts'
import type { Account } from '../src/accounts/users.ts'
import { id } from '../src/engine/fields.ts'
import { DEFAULT_LIMIT, MAX_LIMIT } from '../src/engine/query.ts'
import type { Resource } from '../src/engine/resource.ts'
import { closed, COUNT, pascal, ref, schemaOf, type Json } from './json.ts'
import { limitParameter, query } from './parameters.ts'
import { answer, costless, headers, problems } from './responses.ts'
import { webAuthnSchemas } from './webauthn.ts'

const FORM = 'application/x-www-form-urlencoded'
/** What any operation may meet. */
const ANYWHERE = [429, 500, 503, 504] as const
/** What one with a body may meet, too. */
const BODY = [400, 413, 415, 422] as const

/** Of what works for anybody, and otherwise with a session. */
const MAYBE = [{}, { bearer: [] }, { oauth2: [] }, { cookie: [] }]

/** What a sign-in with a provider is asked with. */
const PROVIDER_QUERY = [
  {
    ...query('return_to', 'Where the browser goes in the end: a path here, or a URL at an allowed origin.', {
      type: 'string',
      minLength: 1,
      maxLength: 2000,
      examples: ['/'],
    }),
    required: true,
  },
  {
    ...query('code_challenge', 'The SHA-256 of your verifier in base64url (RFC 7636 §4.2).', {
      type: 'string',
      pattern: '^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$',
      examples: ['E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'],
    }),
    required: true,
  },
  query('code_challenge_method', 'The only one there is.', { type: 'string', const: 'S256' }),
]

/** What a provider answers (RFC 6749 §4.1.2, RFC 9207). */
const CALLBACK = {
  code: { type: 'string', description: 'The provider’s code.' },
  error: { type: 'string', description: 'Why there is none.' },
  iss: { type: 'string', description: 'The provider’s issuer.' },
  state: { type: 'string', description: 'Of the attempt.' },
}

/** `/api/auth` and `/api/admin`, and what else is about the whole of an account. */
export function accountPaths(): Json {
  return {
    '/api/auth/register': {
      post: operation('register', 'Register', {
        description:
          'Makes an account and no session: log in next. By a password, or by a passkey made with the options for the same e-mail. ' +
          'An e-mail is one whatever its case and spaces around it. A guest who is signed in gets e-mail and way in, and keeps ' +
          'session and rows.',
        security: MAYBE,
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { oneOf: [ref('schemas', 'Registration'), ref('schemas', 'PasskeyRegistration')] },
            },
          },
        },
        responses: {
          ...created('Account', 'The new account.'),
          ...problems(...BODY, 401, 403, 404, 409, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/register/passkey/options': {
      post: operation('registrationOptions', 'Get options to register by passkey', {
        description:
          'For `navigator.credentials.create()`; its answer goes to `register`, with the same e-mail, within five minutes and once. ' +
          'Nothing is stored.',
        security: MAYBE,
        requestBody: taking('PasskeyRegistrant'),
        responses: {
          ...answer(200, 'CreationOptions', 'The options.', []),
          ...problems(...BODY, 401, 403, 404, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/login': {
      post: operation('login', 'Log in', {
        description:
          'By JSON, or by a form of OAuth 2.0: the password grant (RFC 6749 §4.3), or a refresh (§6). With `cookie=true` the tokens come as HttpOnly ' +
          'cookies and not in the body; requests that change something then need an allowed `Origin`.',
        security: [],
        parameters: [cookieParameter()],
        requestBody: {
          required: true,
          content: {
            'application/json': { schema: ref('schemas', 'Credentials') },
            [FORM]: {
              schema: { oneOf: [ref('schemas', 'PasswordGrant'), ref('schemas', 'RefreshGrant')] },
            },
          },
        },
        responses: {
          ...tokens('A pair of tokens, of a new session.'),
          ...problems(...BODY, 401, 403, 404, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/login/passkey/options': {
      post: operation('passkeyLoginOptions', 'Get options to log in by passkey', {
        description:
          'For `navigator.credentials.get()`. They name nobody: the browser offers the passkeys it has. Nothing is stored.',
        security: [],
        responses: {
          ...answer(200, 'RequestOptions', 'The options.', []),
          ...problems(404, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/login/passkey': {
      post: operation('loginByPasskey', 'Log in by passkey', {
        description:
          'With what `navigator.credentials.get()` made of the options, within five minutes and once.',
        security: [],
        parameters: [cookieParameter()],
        requestBody: taking('AuthenticationResponse'),
        responses: {
          ...tokens('A pair of tokens, of a new session.'),
          ...problems(...BODY, 401, 403, 404, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/providers': {
      get: operation('listProviders', 'List providers', {
        description: 'Who else signs users in here; there may be none.',
        security: [],
        responses: {
          ...answer(200, 'ProviderList', 'The providers, as they are configured.', []),
          ...problems(404, 500, 503),
        },
      }),
    },
    '/api/auth/login/{provider}': {
      parameters: [ref('parameters', 'provider')],
      get: operation('loginByProvider', 'Sign in with a provider', {
        description:
          'Sends the browser to the provider, from where it comes back to `return_to` with `#code=…`, or `#error=…` and why not. ' +
          'With a session of the last ten minutes it adds the identity to that account. What accepts `application/json` gets ' +
          'the address in place of the redirect.',
        security: MAYBE,
        parameters: PROVIDER_QUERY,
        responses: {
          ...answer(200, 'ProviderLocation', 'The address of the provider.', ['Set-Cookie']),
          ...redirect(302, 'To the provider, or to `return_to` when that cannot be asked.'),
          ...problems(401, 403, 404, 422, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/callback/{provider}': {
      parameters: [ref('parameters', 'provider')],
      get: operation('endProviderLogin', 'Come back from a provider', {
        description:
          'For browsers that the provider sends: it needs the cookie that the sign-in set. The code in the fragment is good once, for ' +
          'a minute, with the verifier of the `code_challenge`.',
        security: [],
        parameters: Object.entries(CALLBACK).map(([name, { description, ...schema }]) =>
          query(name, description, schema),
        ),
        responses: {
          ...redirect(302, 'To `return_to`, with `#code=…` or `#error=…`.'),
          ...problems(404, 422, ...ANYWHERE),
        },
      }),
      post: operation('endProviderLoginByForm', 'Come back from a provider by a form', {
        description:
          'For providers that post what they answer: the browser is sent on to the same path by GET.',
        security: [],
        requestBody: {
          required: false,
          content: { [FORM]: { schema: ref('schemas', 'ProviderCallback') } },
        },
        responses: {
          ...redirect(303, 'To the same path, with the fields in the query string.', []),
          ...problems(404, 413, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/token': {
      post: operation('exchangeCode', 'Exchange the code of a sign-in', {
        description:
          'The code that a provider’s callback handed over, once, within a minute, with its verifier (RFC 7636).',
        security: [],
        parameters: [cookieParameter()],
        requestBody: taking('CodeExchange'),
        responses: {
          ...tokens('A pair of tokens, of a new session.'),
          ...problems(...BODY, 401, 403, 404, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/guest': {
      post: operation('enterAsGuest', 'Come in as a guest', {
        description:
          'Where the deployment has `GUESTS=on`: makes an account without an e-mail and its session, which lives for as long as it is ' +
          'used every 30 days. Register with its token to make it an ordinary account.',
        security: [],
        parameters: [cookieParameter()],
        responses: {
          ...tokens('A pair of tokens, of a new account.', 201),
          ...problems(403, 404, 422, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/identities': {
      get: operation('listIdentities', 'List identities', {
        description: 'The user’s identities at providers, newest first.',
        parameters: page(),
        responses: {
          ...answer(200, 'IdentityList', 'A page of identities.', []),
          ...problems(401, 422, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/identities/{id}': {
      parameters: [ref('parameters', 'id')],
      delete: operation('removeIdentity', 'Remove an identity', {
        description: 'Unless it is the last way into the account.',
        responses: { ...done('It is gone.'), ...problems(401, 403, 404, 409, ...ANYWHERE) },
      }),
    },
    '/api/auth/passkeys/options': {
      post: operation('passkeyOptions', 'Get options to add a passkey', {
        description:
          'For `navigator.credentials.create()`. They exclude the passkeys that the account has. Nothing is stored.',
        responses: {
          ...answer(200, 'CreationOptions', 'The options.', []),
          ...problems(401, 403, 404, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/passkeys': {
      get: operation('listPasskeys', 'List passkeys', {
        description: 'Those of the user, newest first.',
        parameters: page(),
        responses: {
          ...answer(200, 'PasskeyList', 'A page of passkeys.', []),
          ...problems(401, 422, ...ANYWHERE),
        },
      }),
      post: operation('addPasskey', 'Add a passkey', {
        description:
          'With what `navigator.credentials.create()` made of the options, within five minutes and once. Needs a login of the last ' +
          'ten minutes.',
        requestBody: taking('PasskeyCreate'),
        responses: {
          ...created('Passkey', 'The new passkey.'),
          ...problems(...BODY, 401, 403, 409, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/passkeys/{id}': {
      parameters: [ref('parameters', 'id')],
      patch: operation('renamePasskey', 'Rename a passkey', {
        description: 'Gives it another name.',
        requestBody: taking('PasskeyName'),
        responses: {
          ...answer(200, 'Passkey', 'The passkey.', []),
          ...problems(...BODY, 401, 403, 404, ...ANYWHERE),
        },
      }),
      delete: operation('removePasskey', 'Remove a passkey', {
        description: 'Unless it is the last way into the account.',
        responses: { ...done('It is gone.'), ...problems(401, 403, 404, 409, ...ANYWHERE) },
      }),
    },
    '/api/auth/refresh': {
      post: operation('refresh', 'Refresh', {
        description:
          'Exchanges a refresh token, from the body or the cookie, for a new pair. A token is good for one exchange; for ten ' +
          'seconds after it, it gets the same result again, and later its use ends the session.',
        security: [{ cookie: [] }, {}],
        requestBody: {
          required: false,
          content: {
            'application/json': { schema: ref('schemas', 'Refresh') },
            [FORM]: { schema: ref('schemas', 'RefreshGrant') },
          },
        },
        responses: { ...tokens('A new pair.'), ...problems(...BODY, 401, 403, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/logout': {
      post: operation('logout', 'Log out', {
        description:
          'Ends the session of the access token, or of a refresh token in the body or cookie; with `all` every session of the ' +
          'user. It holds for the very next request.',
        security: [{ bearer: [] }, { oauth2: [] }, { cookie: [] }, {}],
        requestBody: taking('Logout', false),
        responses: { ...done('Logged out.'), ...problems(...BODY, 401, 403, ...ANYWHERE) },
      }),
    },
    '/api/auth/me': {
      get: operation('getMe', 'Get the account', {
        description: 'The account of the access token.',
        responses: { ...answer(200, 'Account', 'The account.', []), ...problems(401, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/password': {
      put: operation('changePassword', 'Change the password', {
        description:
          'Ends every other session, and gives this one new tokens; a token without a session gets a 204. The current ' +
          'password has a limit of its own.',
        requestBody: taking('PasswordChange'),
        responses: {
          ...tokens('A new pair for this session.'),
          ...done('Changed.'),
          ...problems(...BODY, 401, 403, 404, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/sessions': {
      get: operation('listSessions', 'List sessions', {
        description: 'The logins of the user that have not ended, newest first.',
        parameters: page(),
        responses: {
          ...answer(200, 'SessionList', 'A page of sessions.', []),
          ...problems(401, 422, ...ANYWHERE),
        },
      }),
    },
    '/api/auth/sessions/{id}': {
      parameters: [ref('parameters', 'id')],
      delete: operation('endSession', 'End a session', {
        description: 'Logs out wherever that was.',
        responses: { ...done('It has ended.'), ...problems(401, 403, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/password/forgot': {
      post: operation('forgotPassword', 'Forget the password', {
        description:
          'Mails the address a link to set a new password, if it has an account here; the answer is the same if not. The link ' +
          'leads to `APP_URL#reset=<token>` and works once, for an hour.',
        security: [],
        requestBody: taking('EmailAddress'),
        responses: { ...asked('Asked.'), ...problems(...BODY, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/password/reset': {
      post: operation('resetPassword', 'Set a new password by mail', {
        description:
          'With the token of the mail. It verifies the address, ends every session, and removes the passkeys and identities that ' +
          'were added before the address was ever proved. Log in next.',
        security: [],
        requestBody: taking('PasswordReset'),
        responses: { ...done('Set.'), ...problems(...BODY, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/email/verification': {
      post: operation('sendVerification', 'Ask for the verifying mail again', {
        description:
          'Mails the account’s own address a link to verify it, unless it is verified. Registration sends the first by itself. ' +
          'The link leads to `APP_URL#verify=<token>` and works once, for a day.',
        responses: { ...asked('Asked.'), ...problems(401, 403, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/email/verify': {
      post: operation('verifyEmail', 'Verify an address', {
        description:
          'With the token of the mail, signed in or not. An account that never proved the same address loses it, and with it ' +
          'every way in.',
        security: [],
        requestBody: taking('Proof'),
        responses: { ...done('Verified.'), ...problems(...BODY, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/email': {
      put: operation('changeEmail', 'Change the e-mail', {
        description:
          'Asks the new address to prove itself and tells the former one; nothing changes before. An address of another account ' +
          'looks the same, and its owner gets a mail. Needs the current password, or a login of the last ten minutes.',
        requestBody: taking('EmailChange'),
        responses: { ...asked('Asked.'), ...problems(...BODY, 401, 403, 404, ...ANYWHERE) },
      }),
    },
    '/api/auth/activity': {
      get: operation('listActivity', 'List what happened', {
        description:
          'The security events of the account in the last 90 days, newest first: logins and by which way, failed logins, ' +
          'changes, sessions ended, exports, visits of administrators. Pass over events that you do not know.',
        parameters: page(),
        responses: {
          ...answer(200, 'ActivityList', 'A page of events.', []),
          ...problems(401, 404, 422, ...ANYWHERE),
        },
      }),
    },
    '/api/admin/users/{id}/sessions': {
      parameters: [ref('parameters', 'account_id')],
      delete: operation('endUserSessions', 'End the sessions of an account', {
        description:
          'For administrators. It holds for that user’s very next request, and is noted in their activity.',
        responses: { ...done('All have ended.'), ...problems(401, 403, 404, ...ANYWHERE) },
      }),
    },
    '/api/admin/users': {
      get: operation('listUsers', 'List accounts', {
        description: 'For administrators; each use is logged.',
        parameters: page(),
        responses: {
          ...answer(200, 'UserList', 'A page of accounts.', []),
          ...problems(401, 403, 422, ...ANYWHERE),
        },
      }),
    },
    '/api/{user_id}': {
      parameters: [ref('parameters', 'user_id')],
      delete: operation('eraseAccount', 'Erase the account', {
        description:
          'The account, its sessions and every row it owns are gone, at once and for good, with the teams that nobody else is in. ' +
          'Whoever is the only owner of another team has to hand it over first. Needs a login of the last ten minutes.',
        responses: { ...done('Erased.'), ...problems(401, 403, 409, ...ANYWHERE) },
      }),
    },
    '/api/{user_id}/export': {
      parameters: [ref('parameters', 'user_id')],
      get: operation('exportAccount', 'Export everything', {
        description:
          'One document of the account, its sessions, passkeys and identities, what happened to it and all its live rows, streamed; of a ' +
          'team, its members and rows, and for its administrators invitations and what happened. Needs a login of the ' +
          'last ten minutes. The cost headers count what was read ' +
          'before the first byte.',
        responses: {
          ...answer(200, 'Export', 'A download.', ['Content-Disposition']),
          ...problems(401, 403, ...ANYWHERE),
        },
      }),
    },
    '/.well-known/jwks.json': {
      get: operation('getKeys', 'Get the public keys', {
        description:
          'What verifies the tokens of this deployment (RFC 7517 §5); none while it signs with a shared secret.',
        security: [],
        responses: {
          ...answer(200, 'KeySet', 'The keys, the current one first.', []),
          ...problems(405, 503),
        },
      }),
    },
  }
}

const account: z.ZodType<Account> = z.strictObject({
  id: z.string(),
  email: z.string().nullable(),
  email_verified: z.boolean(),
  role: z.enum(['user', 'admin']),
  created_at: z.iso.datetime(),
})

const happening: z.ZodType<Activity> = z.strictObject({
  id: z.uuid(),
  at: z.iso.datetime(),
  event: z.string(),
  session_id: z.string().nullable(),
  user_agent: z.string().nullable(),
  address: z.string().nullable(),
})

const session: z.ZodType<Session> = z.strictObject({
  id: id(),
  current: z.boolean(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  user_agent: z.string().nullable(),
})

const passkey: z.ZodType<Passkey> = z.strictObject({
  id: id(),
  name: z.string(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().nullable(),
})

const identity: z.ZodType<Identity> = z.strictObject({
  id: id(),
  provider: z.string(),
  label: z.string().nullable(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().nullable(),
})

/** What both answers of a login have. */
const lifetime = {
  token_type: { type: 'string', const: 'bearer' },
  expires_in: { ...COUNT, description: 'How long the access token lives, in seconds.' },
}

/** The schemas of {@link accountPaths}. */
export function accountSchemas(resources: readonly Resource[]): Json {
  const rows = Object.fromEntries(
    resources.map(({ name, singular }) => [name, { type: 'array', items: ref('schemas', pascal(singular)) }]),
  )
  return {
    Registration: schemaOf(passwordRegistration),
    PasskeyRegistrant: schemaOf(passkeyRegistrant),
    ...webAuthnSchemas(),
    PasskeyName: schemaOf(passkeyName),
    Passkey: schemaOf(passkey),
    PasskeyList: listed('passkeys', 'Passkey'),
    Provider: closed({
      id: { type: 'string', description: 'Its name in paths.' },
      name: { type: 'string', description: 'Its name for people.' },
    }),
    ProviderList: closed({ providers: { type: 'array', items: ref('schemas', 'Provider') } }),
    ProviderLocation: closed({ location: { type: 'string', description: 'Where the browser goes next.' } }),
    ProviderCallback: { ...closed({}, CALLBACK), additionalProperties: true },
    CodeExchange: schemaOf(tokenBody),
    Identity: schemaOf(identity),
    IdentityList: listed('identities', 'Identity'),
    Credentials: schemaOf(credentials),
    PasswordGrant: schemaOf(passwordGrant),
    Refresh: schemaOf(refreshBody),
    RefreshGrant: schemaOf(refreshGrant),
    Logout: schemaOf(logoutBody),
    PasswordChange: schemaOf(passwordChange),
    EmailAddress: schemaOf(emailBody),
    PasswordReset: schemaOf(passwordReset),
    Proof: schemaOf(proofBody),
    EmailChange: schemaOf(emailChange),
    Account: schemaOf(account),
    Session: schemaOf(session),
    Activity: schemaOf(happening),
    ActivityList: listed('activity', 'Activity'),
    UserList: listed('users', 'Account'),
    SessionList: listed('sessions', 'Session'),
    Tokens: closed({
      access_token: { type: 'string', description: 'A JWT: send it as `Authorization: Bearer`.' },
      ...lifetime,
      refresh_token: { type: 'string', description: 'For the next refresh, once.' },
    }),
    CookieTokens: closed(lifetime),
    Export: closed(
      {
        user_id: { type: 'string' },
        exported_at: { type: 'string', format: 'date-time' },
        ...rows,
      },
      {
        account: { anyOf: [ref('schemas', 'Account'), { type: 'null' }], description: 'Of a user.' },
        sessions: { type: 'array', items: ref('schemas', 'Session') },
        passkeys: { type: 'array', items: ref('schemas', 'Passkey') },
        identities: { type: 'array', items: ref('schemas', 'Identity') },
        activity: {
          type: 'array',
          items: { anyOf: [ref('schemas', 'Activity'), ref('schemas', 'TeamActivity')] },
          description: 'Of a team, only for its administrators.',
        },
        team: { ...ref('schemas', 'Team'), description: 'Of a team.' },
        members: { type: 'array', items: ref('schemas', 'Member') },
        invitations: {
          type: 'array',
          items: ref('schemas', 'Invitation'),
          description: 'Of a team, only for its administrators.',
        },
      },
    ),
    KeySet: closed({ keys: { type: 'array', items: ref('schemas', 'PublicKey') } }),
    PublicKey: closed(
      {
        kty: { type: 'string', enum: ['OKP', 'EC'] },
        crv: { type: 'string', enum: ['Ed25519', 'P-256'] },
        x: { type: 'string' },
        kid: { type: 'string' },
        alg: { type: 'string', enum: ['EdDSA', 'ES256'] },
        use: { type: 'string', const: 'sig' },
      },
      { y: { type: 'string', description: 'Only of a key on P-256.' } },
    ),
  }
}

/** How a caller is known: a token of wherever, one of `login`, or its cookie. */
export const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token (RFC 6750), of this deployment or of the identity provider it trusts.',
  },
  oauth2: {
    type: 'oauth2',
    description: 'An account of this deployment, by OAuth 2.0’s password grant.',
    flows: { password: { tokenUrl: '/api/auth/login', scopes: {} } },
  },
  cookie: {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-access_token',
    description: 'After a login with `cookie=true`. What changes something also needs an allowed `Origin`.',
  },
}

function operation(operationId: string, summary: string, rest: Json): Json {
  return operationIn(operationId.includes('User') ? 'admin' : 'account', operationId, summary, rest)
}

/** An operation under a tag. */
export function operationIn(tag: string, operationId: string, summary: string, rest: Json): Json {
  return { operationId, summary, tags: [tag], ...rest }
}

/** A body of JSON. */
export function taking(schema: string, required = true): Json {
  return { required, content: { 'application/json': { schema: ref('schemas', schema) } } }
}

function created(schema: string, description: string): Json {
  return answer(201, schema, description, ['Location'])
}

function done(description: string): Json {
  return { 204: { description, headers: headers(['Set-Cookie']) } }
}

function redirect(status: number, description: string, extra = ['Set-Cookie']): Json {
  return { [status]: { description, headers: headers(['Location', ...extra]) } }
}

function cookieParameter(): Json {
  return query('cookie', 'Whether the tokens come as cookies.', { type: 'boolean', default: false })
}

function asked(description: string): Json {
  return { 202: { description, headers: costless() } }
}

/** The tokens, or in cookie mode what is left without them. */
function tokens(description: string, status = 200): Json {
  const schema = { oneOf: [ref('schemas', 'Tokens'), ref('schemas', 'CookieTokens')] }
  return {
    [status]: {
      description: `${description} In cookie mode the tokens are in the cookies and not in the body.`,
      headers: headers(['Set-Cookie']),
      content: { 'application/json': { schema } },
    },
  }
}

/** The query string of a list that is not a resource's. */
export function page(): Json[] {
  return [
    limitParameter('entries', MAX_LIMIT, DEFAULT_LIMIT),
    query('cursor', 'Where the last page ended: its `next_cursor`.', { type: 'string' }),
  ]
}

/** A page of such a list. */
export function listed(name: string, item: string): Json {
  return closed({
    [name]: { type: 'array', items: ref('schemas', item) },
    count: { ...COUNT, description: 'How many this page has.' },
    next_cursor: {
      type: ['string', 'null'],
      description: 'The `cursor` of the next page; null on the last.',
    },
  })
}
