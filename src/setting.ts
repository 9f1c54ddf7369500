import * as z from 'zod'

/*
 * The kinds of settings. Each reads the text that a deployment gives; what is wrong with it is said in words that follow
 * the setting's name and never quote its value. `usual` is the text that stands for a setting that is not given.
 */

/** `on` or `off`. */
export function onOff(usual: 'on' | 'off') {
  return z
    .enum(['on', 'off'], 'is neither on nor off')
    .transform((value) => value === 'on')
    .prefault(usual)
}

/** A whole number of seconds from 1 to `most`. */
export function seconds(usual: number, most: number) {
  return z
    .string()
    .refine(
      (value) => /^[1-9]\d*$/.test(value) && Number(value) <= most,
      `is not a whole number of seconds from 1 to ${most}`,
    )
    .transform(Number)
    .prefault(String(usual))
}

/** Any text. */
export function words() {
  return z.string().optional()
}

/** An address to send from, `ada@example.com` or `Ada <ada@example.com>` (RFC 5322 §3.4). */
export function sender(usual?: string) {
  const one = z
    .string()
    .regex(/^(?:[^<>@\r\n"]+ <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/, 'is not an e-mail address')
  return usual === undefined ? one.optional() : one.optional().prefault(usual)
}

/** One of several words. */
export function oneOf<const Words extends readonly string[]>(all: Words) {
  return z.enum(all, `is none of ${all.join(', ')}`).optional()
}

/** A domain name in its A-label form. */
export function domain() {
  return z
    .string()
    .refine((value) => URL.parse(`https://${value}/`)?.hostname === value, 'is not a domain name')
    .optional()
}

/** A secret as its bytes, at least `least` of them. */
export function secret(least: number) {
  return z
    .string()
    .transform((value) => Uint8Array.from(new TextEncoder().encode(value)))
    .refine(({ length }) => length >= least, `is shorter than ${least} bytes`)
    .optional()
}

/** An https URL; in development also an http one of a loopback address. */
export function httpsUrl(development: boolean) {
  return z
    .string()
    .refine((value) => isHttps(value, development), 'is not an https URL')
    .optional()
}

/** Whether a text is an https URL; in development also an http one of a loopback address. */
export function isHttps(text: string, development: boolean): boolean {
  const url = URL.parse(text)
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '')
  return url?.protocol === 'https:' || (development && loopback && url?.protocol === 'http:')
}

/** Exact origins, with commas between them. */
export function origins() {
  return z
    .string()
    .transform((value) => value.split(',').map((origin) => origin.trim()))
    .transform((all) => new Set(all.filter((origin) => origin !== '')))
    .refine((all) => [...all].every(isOrigin), 'is not a list of exact origins')
    .prefault('')
}

/** JSON that a schema then checks. The messages of that schema must not quote a secret. */
export function json<Schema extends z.ZodType>(schema: Schema) {
  return z
    .string()
    .transform((value, ctx): unknown => {
      try {
        return JSON.parse(value)
      } catch {
        ctx.issues.push({ code: 'custom', message: 'is not JSON', input: undefined })
        return z.NEVER
      }
    })
    .pipe(schema)
}

function isOrigin(text: string): boolean {
  return URL.parse(text)?.origin === text && text !== 'null' && !text.includes('*')
}
