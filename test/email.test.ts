import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { email, normaliseEmail } from '../src/accounts/email.ts'

const accepts = (text: string) => email().safeParse(text).success

test('An address is normalised before it is checked', () => {
  expect(email().parse(' Ada@Example.COM\n')).toBe('ada@example.com')
  expect(email().parse('ａｄａ＠example．com')).toBe('ada@example.com')
})

test.each(['a+b@x.example', 'ünï@bücher.example', "o'neil@a-b.co.uk", `${'a'.repeat(244)}@x.exampl`])(
  'An address may be %s',
  (text) => expect(accepts(text)).toBe(true),
)

test.each([
  '',
  '@',
  'a',
  'a@b',
  'a@@b.co',
  'a@b@c.co',
  '.a@b.co',
  'a.@b.co',
  'a..b@c.co',
  'a b@c.co',
  'a\0@c.co',
  'a\ud800@c.co',
  'a\u200b@c.co',
  'a@.co',
  'a@c.',
  'a@c..co',
  'a@-c.co',
  'a@c-.co',
  `${'a'.repeat(250)}@x.co`,
])('An address may not be %j', (text) => expect(accepts(text)).toBe(false))

test('Normalising twice changes nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(normaliseEmail(normaliseEmail(text))).toBe(normaliseEmail(text))
    }),
  )
})

test('The schema says what may be sent', () => {
  expect(z.toJSONSchema(email(), { io: 'input', unrepresentable: 'any' })).toMatchObject({
    type: 'string',
    format: 'email',
    maxLength: 254,
  })
})
