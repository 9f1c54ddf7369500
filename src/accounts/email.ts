import * as z from 'zod/mini'
import { codePoints, issue, tooBig } from '../engine/issues.ts'
import { memo } from '../memo.ts'

/** As long as an address can be (RFC 5321 §4.5.3.1.3), in code points. */
const MAX_EMAIL = 254

/**
 * The one form of an e-mail address, for uniqueness and lookup: compatibility characters replaced (NFKC, Unicode UAX #15),
 * in lower case, without white space around it, its domain as A-labels (RFC 5890 §2.3.2.1).
 */
export function normaliseEmail(text: string): string {
  // A capital may have a lower case that NFKC writes otherwise.
  const address = text.normalize('NFKC').toLowerCase().normalize('NFKC').trim()
  const at = address.lastIndexOf('@') + 1
  const domain = address.slice(at)
  // One domain may be written in two scripts of the same letters, and as what DNS asks for.
  if (!/^[\p{L}\p{N}\p{M}.-]+$/u.test(domain) || /^[\w.-]*$/.test(domain)) return address
  return address.slice(0, at) + (URL.parse(`http://${domain}/`)?.hostname ?? domain)
}

/** An e-mail address of a dotted domain (RFC 5321; international: RFC 6531), which becomes {@link normaliseEmail}'s form of it. */
export function email() {
  const schema = z.pipe(
    z.string(),
    z.transform((value: string, ctx) => {
      // As sent, too: to normalise is quadratic in the combining marks after one letter.
      const address = codePoints(value) > MAX_EMAIL ? value : normaliseEmail(value)
      if (codePoints(address) > MAX_EMAIL) {
        ctx.issues.push(tooBig(value, MAX_EMAIL, `must be at most ${MAX_EMAIL} characters`))
      } else if (!addresses().test(address)) {
        ctx.issues.push(issue(value, 'invalid_format', 'must be an e-mail address'))
      } else {
        return address
      }
      return z.NEVER
    }),
  )
  const meta = { type: 'string', format: 'email', maxLength: MAX_EMAIL, examples: ['ada@example.com'] }
  return schema.register(z.globalRegistry, meta)
}

// \p{C} has control, invisible and unassigned characters and lone surrogates; the rest would need quoting (RFC 5322 §3.2.3).
const ATOM = String.raw`[^\s\p{C}\p{Default_Ignorable_Code_Point}"(),.:;<>@[\\\]]+`
const LABEL = String.raw`[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?`
const addresses = memo(() => new RegExp(String.raw`^${ATOM}(?:\.${ATOM})*@${LABEL}(?:\.${LABEL})+$`, 'u'))
