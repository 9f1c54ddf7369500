import * as z from 'zod/mini'

/*
 * The kinds of settings. Each reads the text that a deployment gives; what is wrong with it is said in words that follow
 * the setting's name and never quote its value. `usual` is the text that stands for a setting that is not given.
 */

/** `on` or `off`. */
export function onOff(usual: 'on' | 'off') {
  const said = z.pipe(
    z.enum(['on', 'off'], 'is neither on nor off'),
    z.transform((value) => value === 'on'),
  )
  return z.prefault(said, usual)
}

/** A whole number of seconds from 1 to `most`. */
export function seconds(usual: number, most: number) {
  const text = z
    .string()
    .check(
      z.refine(
        (value) => /^[1-9]\d*$/.test(value) && Number(value) <= most,
        `is not a whole number of seconds from 1 to ${most}`,
      ),
    )
  return z.prefault(z.pipe(text, z.transform(Number)), String(usual))
}

/** A whole number from 0. */
export function whole(usual: number) {
  const text = z.string().check(z.regex(/^(0|[1-9]\d{0,11})$/, 'is not a whole number'))
  return z.prefault(z.pipe(text, z.transform(Number)), String(usual))
}

/** Any text. */
export function words() {
  return z.optional(z.string())
}

/** An address to send from, `ada@example.com` or `Ada <ada@example.com>` (RFC 5322 §3.4). */
export function sender(usual?: string) {
  const one = z
    .string()
    .check(
      z.regex(/^(?:[^<>@\r\n"]+ <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/, 'is not an e-mail address'),
    )
  return usual === undefined ? z.optional(one) : z.prefault(z.optional(one), usual)
}

/** One of several words. */
export function oneOf<const Words extends readonly string[]>(all: Words) {
  return z.optional(z.enum(all, `is none of ${all.join(', ')}`))
}

/** A domain name in its A-label form. */
export function domain() {
  return z.optional(z.string().check(z.refine(isDomain, 'is not a domain name')))
}

/** A secret as its bytes, at least `least` of them. */
export function secret(least: number) {
  const bytes = z.pipe(
    z.string(),
    z.transform((value) => Uint8Array.from(new TextEncoder().encode(value))),
  )
  return z.optional(bytes.check(z.refine(({ length }) => length >= least, `is shorter than ${least} bytes`)))
}

/** An https URL; in development also an http one of a loopback address. */
export function httpsUrl(development: boolean) {
  return z.optional(z.string().check(z.refine((value) => isHttps(value, development), 'is not an https URL')))
}

/** Whether a text is an https URL; in development also an http one of a loopback address. */
export function isHttps(text: string, development: boolean): boolean {
  const url = URL.parse(text)
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '')
  return url?.protocol === 'https:' || (development && loopback && url?.protocol === 'http:')
}

/** Exact origins, with commas between them. */
export function origins() {
  const list = z.pipe(
    z.string(),
    z.transform(
      (value) =>
        new Set(
          value
            .split(',')
            .map((origin) => origin.trim())
            .filter((origin) => origin !== ''),
        ),
    ),
  )
  const exact = list.check(z.refine((all) => [...all].every(isOrigin), 'is not a list of exact origins'))
  return z.prefault(exact, '')
}

/** JSON that a schema then checks. The messages of that schema must not quote a secret. */
export function json<Schema extends z.core.$ZodType>(schema: Schema) {
  const parsed = z.pipe(
    z.string(),
    z.transform((value, ctx): unknown => {
      try {
        return JSON.parse(value)
      } catch {
        ctx.issues.push({ code: 'custom', message: 'is not JSON', input: undefined })
        return z.NEVER
      }
    }),
  )
  return z.pipe(parsed, schema)
}

function isDomain(text: string): boolean {
  return URL.parse(`https://${text}/`)?.hostname === text
}

function isOrigin(text: string): boolean {
  return URL.parse(text)?.origin === text && text !== 'null' && !text.includes('*')
}
