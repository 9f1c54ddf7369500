import type { Client } from './client.ts'
import { expectEqual, expectStatus, expectThat } from './expect.ts'
import { check, type Run } from './run.ts'

const PAGES = ['/docs', '/docs/problems']

/** The pages beside the API (contract §1). `types` are the problem types that were met. */
export async function docs(run: Run, types: ReadonlySet<string>): Promise<void> {
  const { client } = run

  await check(run, 'service', '/health and /ready say that all is well', async () => {
    const health = expectStatus(await client.get('/health'), 200)
    expectEqual(health.body, { status: 'healthy' }, 'body', health)
    expectStatus(await client.get('/ready'), 200)
  })

  await check(run, 'service', 'a path that nothing answers at is a 404', async () => {
    expectStatus(await client.get('/no/such/path'), 404)
    expectStatus(await client.get('/api/me/no_such_collection', run.mine), 404)
  })

  await check(run, 'docs', '/openapi.json is served for caches to ask again whether it holds', async () => {
    const answer = expectStatus(await client.get('/openapi.json'), 200)
    const etag = answer.headers.get('ETag') ?? ''
    expectThat(etag !== '', 'ETag', 'none', answer)
    expectStatus(await client.get('/openapi.json', undefined, { 'If-None-Match': etag }), 304)
  })

  await check(run, 'docs', 'the pages and what they load name no other host', async () => {
    for (const page of PAGES) {
      const answer = expectStatus(await follow(client, page), 200)
      expectThat(/text\/html/.test(answer.headers.get('Content-Type') ?? ''), 'HTML', answer.text, answer)
      const policy = answer.headers.get('Content-Security-Policy') ?? ''
      expectThat(/default-src 'none'/.test(policy), "a default-src 'none' policy", policy, answer)
      const hosts = policy.match(/\b(?:https?:|wss?:|\*)\S*|\b[\w-]+(?:\.[\w-]+)+\S*/g) ?? []
      expectEqual(hosts, [], 'a policy without hosts:', answer)
      const loaded = loadsOf(answer.text)
      const strange = [...loaded, ...linksIn(answer.text)].filter(
        (one) => originOf(client, one) !== originOf(client, '/'),
      )
      expectEqual(strange, [], 'no address of another host:', answer)
      for (const one of loaded) {
        const { pathname, search } = new URL(one, client.url)
        expectStatus(await client.get(pathname + search), 200)
      }
    }
  })

  await check(run, 'docs', 'every problem that was met is explained at its type', async () => {
    for (const type of types) {
      const { pathname, hash } = new URL(type, client.url)
      const answer = expectStatus(await follow(client, pathname), 200)
      const anchor = answer.text.includes(`id="${hash.slice(1)}"`)
      expectThat(hash !== '' && anchor, `an element with id="${hash.slice(1)}"`, 'none', answer)
    }
  })
}

/** A page, where a host of static pages may first send to its own form of the path. */
async function follow(client: Client, path: string) {
  const answer = await client.get(path)
  const location = answer.headers.get('Location')
  if (answer.status < 301 || answer.status > 308 || !location) return answer
  return client.get(new URL(location, client.url).pathname)
}

/** What a page loads. */
function loadsOf(html: string): string[] {
  const tags = html.match(/<(?:script|link|img|iframe|source|video|audio|embed|object)\b[^>]*>/gi) ?? []
  return tags
    .flatMap((tag) => [...tag.matchAll(/\b(?:src|href|data)\s*=\s*["']?([^"'\s>]+)/gi)])
    .map(([, to = '']) => to)
}

/** What its styles and inline scripts load. */
function linksIn(html: string): string[] {
  const inside = html.match(/<(script|style)\b[^>]*>[\s\S]*?<\/\1>/gi) ?? []
  return inside
    .map((text) => text.replace(/^<[^>]*>/, ''))
    .flatMap((text) => [...text.matchAll(/(?:https?:)?\/\/[\w.-]+\.\w+[^\s"')]*/g)].map(([to]) => to))
}

function originOf({ url }: Client, to: string): string {
  return new URL(to, url).origin
}
