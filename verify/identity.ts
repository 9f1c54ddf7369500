import { createHmac } from 'node:crypto'
import { newId } from './bodies.ts'
import type { User } from './client.ts'
import { METHODS } from './document.ts'
import { expectEqual, expectProblem, expectStatus } from './expect.ts'
import { check, type Run } from './run.ts'

/** Who is let in (contract §4, §6). `expired` is a token that was good once, if there is one. */
export async function identity(run: Run, expired: string | undefined): Promise<void> {
  const first = run.api.resources.find(({ parent }) => !parent)
  const path = `/api/me${first?.path ?? '/changes'}`

  await check(
    run,
    'identity',
    'without credentials every path of a user is a 401 that costs no database row',
    async () => {
      for (const [template, item] of Object.entries(run.api.document.paths)) {
        if (!template.startsWith('/api/{user_id}')) continue
        for (const method of METHODS.filter((one) => item[one])) {
          const answer = await run.client.send({
            method: method.toUpperCase(),
            path: template.replace('{user_id}', 'me').replaceAll(/\{\w+\}/g, newId()),
            body: item[method]?.requestBody ? {} : undefined,
          })
          expectProblem(answer, 401)
          expectEqual(answer.headers.get('x-d1-bookmark'), null, 'x-d1-bookmark', answer)
        }
      }
    },
  )

  await check(run, 'identity', 'a token that nobody trusted signed is a 401', async () => {
    for (const token of forged(run.mine)) {
      expectProblem(await run.client.get(path, undefined, { Authorization: `Bearer ${token}` }), 401)
    }
    for (const value of ['Bearer', 'Bearer ', 'Basic YTpi', run.mine.token, `Token ${run.mine.token}`]) {
      expectProblem(await run.client.get(path, undefined, { Authorization: value }), 401)
    }
    expectProblem(await run.client.get(`${path}?access_token=${run.mine.token}`), 401)
  })

  if (expired) {
    await check(run, 'identity', 'an expired token is a 401', async () => {
      expectProblem(await run.client.get(path, undefined, { Authorization: `Bearer ${expired}` }), 401)
    })
  } else {
    const reason = 'only its issuer can sign one: give one with --expired'
    run.report.add({ subject: 'identity', name: 'an expired token is a 401', outcome: 'not checked', reason })
  }

  await check(run, 'identity', 'the scheme may be written in any case', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const headers = { Authorization: `${scheme} ${run.mine.token}` }
      expectStatus(await run.client.get(path, undefined, headers), 200)
    }
  })

  await check(
    run,
    'identity',
    "an unknown user's path is a 403 with a token, and a 401 without",
    async () => {
      for (const user of ['v1x', 'a%2Fb', '..%2Fme', 'x'.repeat(129), '%20', `${run.mine.id}%00`]) {
        const at = path.replace('/me/', `/${user}/`)
        expectProblem(await run.client.get(at, run.mine), 403)
        expectProblem(await run.client.get(at), 401)
      }
    },
  )

  await check(
    run,
    'identity',
    'a body that is too large is refused before anybody asks who sent it',
    async () => {
      expectProblem(await run.client.send({ method: 'POST', path, body: { junk: 'x'.repeat(65_536) } }), 413)
    },
  )
}

/** Tokens with the claims of a good one, signed by no trusted key. */
function forged({ token }: User): string[] {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const signed = (head: string, key: string) =>
    `${head}.${payload}.${createHmac('sha256', key).update(`${head}.${payload}`).digest('base64url')}`
  const turned = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
  const later = { ...claimsOf(token), exp: Math.floor(Date.now() / 1000) + 86_400 }
  return [
    'x',
    'a.b.c',
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${header}.${payload}.${turned}`,
    `${header}.${encoded(later)}.${signature}`,
    `${encoded({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    `${encoded({ alg: 'NONE', typ: 'JWT' })}.${payload}.${signature}`,
    ...['secret', 'changeme', 'your-256-bit-secret', ''].map((key) =>
      signed(encoded({ alg: 'HS256', typ: 'JWT' }), key || ' '),
    ),
  ]
}

function encoded(value: unknown): string {
  return btoa(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** What a token says, unverified. Throws when it is no JWT. */
export function claimsOf(token: string): Record<string, unknown> {
  const [, payload = ''] = token.split('.')
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
  if (typeof claims !== 'object' || !claims) throw new Error('not a JWT')
  return { ...claims }
}
