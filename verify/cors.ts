import { newId } from './bodies.ts'
import type { Answer } from './client.ts'
import { expectEqual, expectStatus, expectThat } from './expect.ts'
import { check, type Run } from './run.ts'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
const REQUEST_HEADERS =
  'Authorization Content-Type If-Match If-None-Match Idempotency-Key x-d1-bookmark X-Request-Id'.split(' ')
const EXPOSED =
  'ETag Link Location Retry-After Idempotent-Replayed Server-Timing Date X-Request-Id x-d1-bookmark x-d1-rows-read x-d1-rows-written'.split(
    ' ',
  )

/** What a browser's page of another origin may do (contract §7). */
export async function cors(run: Run): Promise<void> {
  const { origin } = run
  const [first] = run.api.resources
  const path = `/api/me${first?.path ?? '/changes'}`
  /** Answers of every kind, asked from an origin. */
  const answersTo = async (from: string): Promise<Answer[]> => [
    await run.client.send({
      method: 'OPTIONS',
      path,
      headers: {
        Origin: from,
        'Access-Control-Request-Method': 'PATCH',
        'Access-Control-Request-Headers': 'if-match',
      },
    }),
    await run.client.get(path, run.mine, { Origin: from }),
    await run.client.get(path, undefined, { Origin: from }),
    await run.client.get(`${path}/${newId()}`, run.mine, { Origin: from }),
    await run.client.get('/api/no/such', run.mine, { Origin: from }),
    await run.client.send({ method: 'POST', path, as: run.mine, body: '{', headers: { Origin: from } }),
  ]

  await check(run, 'cors', 'no other origin is allowed anything, in answers and errors alike', async () => {
    const others = [
      'https://evil.example',
      'null',
      ...(origin ? [`${origin}.evil.example`, `${origin}1x`] : []),
    ]
    for (const from of others) {
      for (const answer of await answersTo(from)) {
        const allowed = answer.headers.get('Access-Control-Allow-Origin')
        expectEqual(allowed, null, `Access-Control-Allow-Origin to ${from}:`, answer)
      }
    }
  })

  const names = {
    preflight: 'a preflight from an allowed origin allows every verb and header, with credentials',
    answers: 'an allowed origin is allowed by every answer, errors too, and reads every header',
  }
  if (!origin) {
    const reason = 'no allowed origin is known: give one with --origin'
    for (const name of Object.values(names)) {
      run.report.add({ subject: 'cors', name, outcome: 'not checked', reason })
    }
    return
  }

  await check(run, 'cors', names.preflight, async () => {
    for (const method of METHODS) {
      const answer = await run.client.send({
        method: 'OPTIONS',
        path,
        headers: {
          Origin: origin,
          'Access-Control-Request-Method': method,
          'Access-Control-Request-Headers': REQUEST_HEADERS.join().toLowerCase(),
        },
      })
      expectStatus(answer, 200, 204)
      expectAllowed(answer, origin)
      expectListed(answer, 'Access-Control-Allow-Methods', METHODS)
      expectListed(answer, 'Access-Control-Allow-Headers', REQUEST_HEADERS)
    }
  })

  await check(run, 'cors', names.answers, async () => {
    const [, ...answers] = await answersTo(origin)
    for (const answer of answers) {
      expectAllowed(answer, origin)
      expectListed(answer, 'Access-Control-Expose-Headers', EXPOSED)
    }
  })
}

/** A page's origin that a deployment on this machine allows, when it is one for development. */
export async function developmentOrigin({ client }: Pick<Run, 'client'>): Promise<string | undefined> {
  const origin = 'http://localhost:5173'
  const { headers } = await client.get('/health', undefined, { Origin: origin })
  return headers.get('Access-Control-Allow-Origin') === origin ? origin : undefined
}

function expectAllowed(answer: Answer, origin: string): void {
  const { headers } = answer
  expectEqual(headers.get('Access-Control-Allow-Origin'), origin, 'Access-Control-Allow-Origin', answer)
  expectEqual(
    headers.get('Access-Control-Allow-Credentials'),
    'true',
    'Access-Control-Allow-Credentials',
    answer,
  )
}

function expectListed(answer: Answer, header: string, names: readonly string[]): void {
  const listed = (answer.headers.get(header) ?? '').toLowerCase().split(/\s*,\s*/)
  const missing = names.filter((name) => !listed.includes(name.toLowerCase()))
  expectThat(missing.length === 0, `${header} with ${missing.join()}`, listed, answer)
}
