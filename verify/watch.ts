import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { curlOf, shortened, type Answer } from './client.ts'
import type { Document } from './document.ts'
import type { Report } from './report.ts'

/** Something that must hold of every answer of the run. */
interface Rule {
  subject: string
  name: string
  /** What is wrong with an answer, if anything. */
  fault(answer: Answer): { expected: string; came: string } | undefined
}

/** Looks at every answer of a run. */
export interface Watch {
  observe(answer: Answer): void
  /** The problem types that were met. */
  types: ReadonlySet<string>
  /** From here on, answers are held to this document too. */
  describe(document: Document): void
  /** Adds what was found to a report: for each rule, the first answer that broke it. */
  conclude(url: string, report: Report): void
}

/** A watch over a run that has not begun. */
export function newWatch(): Watch {
  const types = new Set<string>()
  const found = new Map<Rule, { answer: Answer; expected: string; came: string }>()
  let rules = RULES
  return {
    types,
    observe(answer) {
      const type = memberOf(answer, 'type')
      if (answer.status >= 400 && typeof type === 'string') types.add(type)
      for (const rule of rules) {
        if (found.has(rule)) continue
        const fault = rule.fault(answer)
        if (fault) found.set(rule, { answer, ...fault })
      }
    },
    describe(document) {
      rules = [...rules, asDescribed(document)]
    },
    conclude(url, report) {
      for (const rule of rules) {
        const { subject, name } = rule
        const fault = found.get(rule)
        if (!fault) report.add({ subject, name, outcome: 'passed' })
        else {
          const { expected, came, answer } = fault
          const request = curlOf(url, answer.sent)
          report.add({ subject, name, outcome: 'failed', expected, came: shortened(came), request })
        }
      }
    },
  }
}

const SECURITY: Record<string, RegExp> = {
  'X-Content-Type-Options': /^nosniff$/,
  'Strict-Transport-Security': /max-age=\d{7,}/,
  'Referrer-Policy': /^(no-referrer|same-origin|strict-origin)/,
  'Content-Security-Policy': /default-src 'none'/,
}

/** Names that tell what runs here, and words of what must stay inside. */
const TELLING_HEADERS = ['x-powered-by', 'x-aspnet-version', 'x-runtime']
const TELLING =
  /SQLITE_|D1_ERROR|\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\b.+\b(?:FROM|WHERE|VALUES|SET)\b|\n\s+at \w|node_modules|\.[jt]s:\d+/

const RULES: readonly Rule[] = [
  {
    subject: 'cors',
    name: 'every answer of the API varies by Origin',
    fault: ({ sent, headers }) =>
      isApi(sent.path) && !/\borigin\b/i.test(headers.get('Vary') ?? '')
        ? { expected: 'Vary: Origin', came: String(headers.get('Vary')) }
        : undefined,
  },
  {
    subject: 'headers',
    name: 'every answer of the API has an X-Request-Id',
    fault: ({ sent, headers }) =>
      isApi(sent.path) && !headers.get('X-Request-Id')
        ? { expected: 'X-Request-Id', came: 'none' }
        : undefined,
  },
  {
    subject: 'headers',
    name: 'every answer has the security headers',
    fault({ sent, headers, status }) {
      // A 304 of a static page repeats what the cache has already.
      if (status === 304 && !isApi(sent.path)) return undefined
      const missing = Object.entries(SECURITY).find(([name, value]) => !value.test(headers.get(name) ?? ''))
      const [name, value] = missing ?? []
      return name ? { expected: `${name}: ${value?.source}`, came: String(headers.get(name)) } : undefined
    },
  },
  {
    subject: 'headers',
    name: 'no cache keeps what was answered to a user',
    fault({ sent, headers }) {
      if (!sent.path.startsWith('/api/') || !sent.as) return undefined
      const came = headers.get('Cache-Control') ?? ''
      const expected = headers.get('ETag') ? 'no-store or private, no-cache' : 'no-store'
      const kept = came.includes('no-store') || (headers.get('ETag') && /private.*no-cache/.test(came))
      return kept || sent.method === 'OPTIONS' ? undefined : { expected: `Cache-Control: ${expected}`, came }
    },
  },
  {
    subject: 'identity',
    name: 'every 401 says how to authenticate, and that a token was invalid',
    fault({ sent, status, headers }) {
      if (status !== 401) return undefined
      const came = headers.get('WWW-Authenticate') ?? ''
      const authorization = sent.headers?.Authorization ?? ''
      const token = sent.as !== undefined || /^bearer +\S/i.test(authorization)
      const expected = token ? 'Bearer error="invalid_token"' : 'Bearer'
      const told = /error="invalid_token"/.test(came)
      // A scheme without a token is either, and so is a refresh token in a body.
      const either = authorization.trim() === 'Bearer' || sent.path.startsWith('/api/auth/')
      const holds = /^Bearer\b/.test(came) && (told === token || either)
      return holds ? undefined : { expected: `WWW-Authenticate: ${expected}`, came: came || 'none' }
    },
  },
  {
    subject: 'errors',
    name: 'every error is a problem document of its status',
    fault(answer) {
      const { sent, status, headers, text } = answer
      if (status < 400 || !isApi(sent.path) || sent.method === 'HEAD') return undefined
      const strings = ['type', 'title', 'detail', 'instance', 'request_id']
      const holds =
        headers.get('Content-Type')?.startsWith('application/problem+json') === true &&
        memberOf(answer, 'status') === status &&
        strings.every((name) => typeof memberOf(answer, name) === 'string') &&
        memberOf(answer, 'request_id') === headers.get('X-Request-Id')
      return holds ? undefined : { expected: `application/problem+json of status ${status}`, came: text }
    },
  },
  {
    subject: 'errors',
    name: 'no answer tells of SQL, stacks, tokens or what runs here',
    fault({ sent, status, headers, text }) {
      const header = TELLING_HEADERS.find((name) => headers.has(name))
      if (header) return { expected: `no ${header}`, came: String(headers.get(header)) }
      if (status < 400) return undefined
      const token = sent.as?.token
      const told = TELLING.exec(text)?.[0] ?? (token && text.includes(token) ? 'the token' : undefined)
      return told ? { expected: 'an error that tells nothing', came: told } : undefined
    },
  },
  {
    subject: 'errors',
    name: 'the service never failed, and a refusal for now says for how long',
    fault({ status, headers, text }) {
      if (status === 429 || status === 503) {
        const wait = headers.get('Retry-After') ?? ''
        if (!/^\d+$/.test(wait)) return { expected: 'Retry-After in seconds', came: wait || 'none' }
      }
      return status >= 500 ? { expected: 'no status from 500', came: `${status} ${text}` } : undefined
    },
  },
]

/** That an answer of a described operation has a described status, type and body. */
function asDescribed(document: Document): Rule {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, validateSchema: false })
  ajv.addSchema(document, 'openapi')
  const validators = new Map<string, ValidateFunction>()
  const templates = Object.keys(document.paths).map((template) => ({
    template,
    // A path that says a word where another has a parameter is the word's.
    words: template.split('/').filter((part) => !part.startsWith('{')).length,
    pattern: new RegExp(`^${template.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))
  return {
    subject: 'openapi',
    name: 'every answer has a status and a body that /openapi.json describes',
    fault(answer) {
      const path = answer.sent.path.replace(/\?.*/, '').replace(/^\/api\/v1\//, '/api/')
      const [match] = templates
        .filter(({ pattern }) => pattern.test(path))
        .toSorted((one, other) => other.words - one.words)
      const method = METHOD_NAMES.find((name) => name === answer.sent.method.toLowerCase())
      const operation = method && match && document.paths[match.template]?.[method]
      if (!operation) return undefined
      const described = operation.responses[answer.status]
      if (!described) {
        const known = Object.keys(operation.responses).join()
        return { expected: `one of the statuses ${known}`, came: `${answer.status} ${answer.text}` }
      }
      const type = answer.headers.get('Content-Type')?.replace(/;.*/, '')
      if (answer.text === '' || !type) return undefined
      const inside = described.$ref
        ? described.$ref.slice(1)
        : `/paths/${pointer(match.template)}/${method}/responses/${answer.status}`
      const at = `openapi#${inside}/content/${pointer(type)}/schema`
      let validate = validators.get(at)
      if (!validate) {
        try {
          validate = ajv.compile({ $ref: at })
        } catch {
          return { expected: `a body of a described type`, came: type }
        }
        validators.set(at, validate)
      }
      if (validate(answer.body)) return undefined
      return { expected: `a body as described: ${ajv.errorsText(validate.errors)}`, came: answer.text }
    },
  }
}

const METHOD_NAMES = ['get', 'post', 'put', 'patch', 'delete'] as const

/** A JSON Pointer's segment, in a URI (RFC 6901 §6). */
function pointer(segment: string): string {
  return encodeURIComponent(segment.replaceAll('~', '~0').replaceAll('/', '~1'))
}

function isApi(path: string): boolean {
  return /^\/(api\/|health|ready)/.test(path)
}

function memberOf({ body }: Answer, name: string): unknown {
  return typeof body === 'object' && body && name in body
    ? Object.entries(body).find(([key]) => key === name)?.[1]
    : undefined
}
