import { scryptSync } from 'node:crypto'
import { hashSync } from 'bcryptjs'
import { dictionary } from '@zxcvbn-ts/language-common'
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { newPassword } from '../src/accounts/new-password.ts'
import { hashPassword, verifyPassword } from '../src/accounts/passwords.ts'
import { inTurn, MAX_WAITING } from '../src/accounts/turns.ts'
import { captureLog } from './deployment.ts'

const PASSWORD = 'correct horse 🐎'
const codesOf = (password: string) =>
  newPassword()
    .safeParse(password)
    .error?.issues.map((issue) => (issue.code === 'custom' ? issue.params?.code : issue.code)) ?? []

function phc(ln: number, r: number, p: number): string {
  const salt = new Uint8Array(16)
  const key = scryptSync(PASSWORD, salt, 32, { N: 2 ** ln, r, p, maxmem: 2 ** 28 })
  const parts = [salt, key].map((bytes) => Buffer.from(bytes).toString('base64').replaceAll('=', ''))
  return `$scrypt$ln=${ln},r=${r},p=${p}$${parts.join('$')}`
}

describe('a stored hash', () => {
  test('matches its password only, and is up to date', async () => {
    const stored = await hashPassword(PASSWORD)
    expect(stored).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[^$=]{22}\$[^$=]{43}$/)
    expect(await verifyPassword(PASSWORD, stored)).toEqual({ matches: true, outdated: false })
    expect(await verifyPassword(`${PASSWORD} `, stored)).toEqual({ matches: false, outdated: false })
  })

  test('has a salt of its own', async () => {
    expect(await hashPassword(PASSWORD)).not.toBe(await hashPassword(PASSWORD))
  })

  test('of other parameters matches, and is outdated', async () => {
    expect(await verifyPassword(PASSWORD, phc(13, 8, 5))).toEqual({ matches: true, outdated: true })
    expect(await verifyPassword('wrong', phc(13, 8, 5))).toEqual({ matches: false, outdated: false })
  })

  test.each(['2a', '2b', '2y'])('of bcrypt ($%s$) matches, and is outdated', async (version) => {
    const stored = hashSync(PASSWORD, 4).replace('$2b$', `$${version}$`)
    expect(await verifyPassword(PASSWORD, stored)).toEqual({ matches: true, outdated: true })
    expect(await verifyPassword('wrong', stored)).toEqual({ matches: false, outdated: false })
  })

  test('of bcrypt that saw a part of a longer password matches, and stays', async () => {
    const long = 'x'.repeat(71)
    expect(await verifyPassword(`${long}é and more`, hashSync(`${long}é`, 4))).toMatchObject({
      outdated: false,
    })
    const stored = hashSync('y'.repeat(72), 4)
    expect(await verifyPassword('y'.repeat(72), stored)).toEqual({ matches: true, outdated: true })
    expect(await verifyPassword('y'.repeat(73), stored)).toEqual({ matches: true, outdated: false })
  })

  test('of no account never matches', async () => {
    expect(await verifyPassword('', undefined)).toEqual({ matches: false, outdated: false })
  })

  test.each([
    phc(14, 8, 1).replace('ln=14', 'ln=17'),
    phc(14, 8, 1).replace('p=1', 'p=99'),
    hashSync(PASSWORD, 4).replace('$04$', '$31$'),
    '',
  ])('that asks for too much, or is malformed, never matches and is logged once: %s', async (stored) => {
    const log = captureLog()
    expect(await verifyPassword(PASSWORD, stored)).toEqual({ matches: false, outdated: false })
    expect(log.parsed()).toEqual([{ level: 'error', event: 'unusable_password_hash' }])
  })

  test('that is any text at all never matches and never throws', async () => {
    captureLog()
    const damaged = fc.tuple(fc.nat(97), fc.string()).map(([at, rest]) => phc(1, 1, 1).slice(0, at) + rest)
    await fc.assert(
      fc.asyncProperty(damaged, async (stored) => {
        expect((await verifyPassword('wrong', stored)).matches).toBe(false)
      }),
      { numRuns: 15 },
    )
  })
})

describe('turns', () => {
  test('are taken one at a time, in order, and refused when too many wait', async () => {
    // None may wait for longer than five seconds, which on a busy machine all of them can take.
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    let working = 0
    const order: number[] = []
    const all = Array.from({ length: MAX_WAITING + 5 }, (_, number) =>
      inTurn(async () => {
        working += 1
        expect(working).toBe(1)
        await scheduler.wait(1)
        order.push(number)
        working -= 1
      }),
    )
    const refused = (await Promise.allSettled(all)).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(5)
    expect(refused).toMatchObject(refused.map(() => ({ reason: { type: 'busy' } })))
    expect(order).toEqual(Array.from({ length: MAX_WAITING }, (_, number) => number))
  })

  test('that never end do not hold up the others for ever', async () => {
    void inTurn(() => new Promise<never>(() => {}))
    expect(await inTurn(async () => 'done')).toBe('done')
  })
})

describe('a new password', () => {
  test('is 8 to 128 code points of well-formed text without NUL', () => {
    expect(codesOf('🐎'.repeat(7))).toEqual(['too_small'])
    expect(codesOf('🐎'.repeat(8))).toEqual([])
    expect(codesOf('🐎'.repeat(128))).toEqual([])
    expect(codesOf('🐎'.repeat(129))).toEqual(['too_big'])
    expect(codesOf('long enough\0')).toEqual(['invalid_string'])
    expect(codesOf('long enough\ud800')).toEqual(['invalid_string'])
  })

  test('is none of the 10 000 most common, in whatever case', () => {
    const common = dictionary['passwords-common'].slice(0, 10_000)
    expect(common.filter((password) => codesOf(password).length !== 1)).toEqual([])
    expect(codesOf('PassWord1')).toEqual(['too_common'])
  })

  test.each(['11121987', 'Summer2026', 'Freehold!', 'password2020', 'freehold-2026'])(
    'is not little more than a year or the name of the service: %s',
    (password) => expect(codesOf(password)).toEqual(['too_guessable']),
  )

  test('may hold a year beside enough of its own', () => {
    expect(codesOf('1987 was correct horse')).toEqual([])
  })
})
