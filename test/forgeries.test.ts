import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { newMailbox } from '../openapi/mailbox.ts'
import { newEmail, PASSWORD } from './account.ts'
import { createPasskey, usePasskey } from './authenticator.ts'
import { call, type Json } from './client.ts'
import { deploy } from './deployment.ts'

/** How many of each, by a fixed seed. */
const RUNS = env.FORGERIES
const here = deploy({ GUESTS: 'on', RATE_LIMITS: 'off', ENVIRONMENT: 'development' })

/** Changes one text somewhere in an answer: a character, its length, its kind, or puts another's in its place. */
const mutation = fc.record({
  at: fc.nat(),
  place: fc.nat(),
  kind: fc.constantFrom('flip', 'cut', 'grow', 'swap', 'empty', 'null', 'number', 'drop'),
  letter: fc.constantFrom(...'AQgwBCDEz09-_='),
})

type Mutation = typeof mutation extends fc.Arbitrary<infer Change> ? Change : never

function mutated(answer: Json, other: Json, { at, place, kind, letter }: Mutation): Json {
  const copy = structuredClone(answer)
  const paths = [
    ['id'],
    ['rawId'],
    ['type'],
    ...Object.keys(answer.response)
      // What is only a copy of something else is not read.
      .filter((name) => name !== 'authenticatorData' || 'signature' in answer.response)
      .filter((name) => !/^(publicKey|transports)/.test(name))
      .map((name) => ['response', name]),
  ]
  const path = paths[at % paths.length] ?? ['id']
  const name = path.at(-1) ?? ''
  const [from, into] = path.length > 1 ? [other.response, copy.response] : [other, copy]
  const text = String(into[name])
  const spot = place % Math.max(1, text.length)
  const changed: Record<typeof kind, unknown> = {
    flip: text.slice(0, spot) + letter + text.slice(spot + 1),
    cut: text.slice(0, spot),
    grow: text + letter,
    swap: from[name],
    empty: '',
    null: null,
    number: 7,
    drop: undefined,
  }
  into[name] = changed[kind]
  return copy
}

test('of changed ceremonies none is accepted, and none is a fault', async () => {
  const email = newEmail()
  const { body: options } = await here('POST', '/api/auth/register/passkey/options', { body: { email } })
  const made = createPasskey(options)
  await here('POST', '/api/auth/register', { body: { email, passkey: made.answer } })
  const { body: asking } = await here('POST', '/api/auth/login/passkey/options')
  const honest = usePasskey(made.passkey, asking)
  const stranger = createPasskey(options)
  const strange = usePasskey(stranger.passkey, asking)
  const replay = { ...made.answer, response: { ...made.answer.response } }
  await fc.assert(
    fc.asyncProperty(mutation, fc.boolean(), async (change, login) => {
      const sent = login ? mutated(honest, strange, change) : mutated(replay, stranger.answer, change)
      if (JSON.stringify(sent) === JSON.stringify(honest)) return
      const { status } = login
        ? await here('POST', '/api/auth/login/passkey', { body: sent })
        : await here('POST', '/api/auth/register', { body: { email: `x${email}`, passkey: sent } })
      expect([400, 401, 409, 422]).toContain(status)
    }),
    { numRuns: RUNS, seed: 12 },
  )
  // Nothing of it spent the challenge: the honest answer still holds.
  expect((await here('POST', '/api/auth/login/passkey', { body: honest })).status).toBe(200)
  const { results } = await env.DB.prepare('SELECT 1 FROM users WHERE email = ?').bind(`x${email}`).all()
  expect(results).toEqual([])
  expect((await call('POST', '/api/auth/login/passkey', { body: honest })).status).toBe(401)
})

test('of made-up codes and callbacks none is accepted, and none is a fault', async () => {
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.base64String({ maxLength: 300 }),
    fc.stringMatching(/^[\w-]{64}(\.[\w-]{36}){0,3}$/),
  )
  const provider = { id: 'op', name: 'One', issuer: 'https://op.test', client_id: 'freehold-tests' }
  const settings = {
    OIDC_PROVIDERS: JSON.stringify([provider]),
    OIDC_OP_SECRET: 's',
    RATE_LIMITS: 'off',
    ENVIRONMENT: 'development',
  }
  const site = deploy(settings)
  await fc.assert(
    fc.asyncProperty(text, text, fc.boolean(), async (one, two, code) => {
      const query = new URLSearchParams({ code: one, state: two }).toString()
      const Cookie = `__Host-login_op=${encodeURIComponent(two)}`
      const { status } = code
        ? await site('POST', '/api/auth/token', { body: { code: one, code_verifier: two.padEnd(43, 'x') } })
        : await site('GET', `/api/auth/callback/op?${query}`, { headers: { Cookie } })
      expect([401, 422]).toContain(status)
    }),
    { numRuns: RUNS, seed: 12 },
  )
})

test('of changed tokens none is accepted, and none is a fault', async () => {
  const mailbox = newMailbox()
  const site = deploy({
    EMAIL: mailbox.EMAIL,
    MAIL_FROM: 'freehold@example.com',
    RATE_LIMITS: 'off',
    ENVIRONMENT: 'development',
  })
  async function tokensOf(email = newEmail()) {
    await site('POST', '/api/auth/register', { body: { email, password: PASSWORD } })
    const verify = await mailbox.token('verify', email)
    await site('POST', '/api/auth/password/forgot', { body: { email } })
    const { body } = await site('POST', '/api/auth/login', { body: { email, password: PASSWORD } })
    return {
      verify,
      reset: await mailbox.token('reset', email),
      refresh: String(body.refresh_token),
      access: String(body.access_token),
    }
  }
  type Kind = keyof Awaited<ReturnType<typeof tokensOf>>
  const new_password = 'another password that nobody has'
  const uses: Record<Kind, (token: unknown) => ReturnType<typeof site>> = {
    verify: (token) => site('POST', '/api/auth/email/verify', { body: { token } }),
    reset: (token) => site('POST', '/api/auth/password/reset', { body: { token, new_password } }),
    refresh: (token) => site('POST', '/api/auth/refresh', { body: { refresh_token: token } }),
    access: (token) =>
      site('GET', '/api/me/tasks', {
        headers: { Authorization: `Bearer ${String(token)}`.replaceAll(/[^ -~]/g, '?') },
      }),
  }
  const [mine, theirs] = [await tokensOf(), await tokensOf()]
  const kind = fc.constantFrom<Kind>('verify', 'reset', 'refresh', 'access')
  const change = fc.record({
    how: fc.constantFrom('flip', 'cut', 'grow', 'splice', 'case', 'other'),
    place: fc.nat(),
    letter: fc.constantFrom(...'AQgwBCDEz09-_='),
    other: kind,
  })
  await fc.assert(
    fc.asyncProperty(kind, change, async (of, { how, place, letter, other }) => {
      const honest = mine[of]
      const spot = place % honest.length
      const forged = {
        flip: honest.slice(0, spot) + letter + honest.slice(spot + 1),
        cut: honest.slice(0, spot),
        grow: honest + letter,
        splice: honest.slice(0, spot) + theirs[of].slice(spot),
        case: honest.slice(0, spot) + honest.slice(spot).toLowerCase(),
        other: other === of ? '' : mine[other],
      }[how]
      if (forged === honest || forged === theirs[of]) return
      expect([401, 422], `${of} ${how} ${spot}`).toContain((await uses[of](forged)).status)
    }),
    { numRuns: RUNS, seed: 12 },
  )
  // What was mailed holds once, whatever was tried.
  expect((await uses.verify(mine.verify)).status).toBe(204)
  expect((await uses.verify(mine.verify)).status).toBe(422)
  expect((await uses.reset(theirs.reset)).status).toBe(204)
  expect((await uses.reset(theirs.reset)).status).toBe(422)
  expect((await uses.access(theirs.access)).status).toBe(401)
})
