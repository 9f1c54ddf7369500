import { parseArgs } from 'node:util'
import { summaryOf } from '../verify/report.ts'
import { Unusable, verification } from '../verify/verification.ts'

const USAGE = `Usage: npm run verify -- <url> [options]

Holds a deployment of Freehold to its contract, from outside, for every collection that its /openapi.json lists: shapes,
lists, retries, races, sync, isolation of two users, identity, CORS, headers, documentation. It works as throw-away
accounts and erases them in the end. Every request is one that a client could send; nothing is read from this checkout.

Options:
  --token <jwt>      work as this user instead, for deployments with an identity provider of their own; twice for two
                     users, without which their isolation is not checked. What was made ends up in their trash.
  --only <name>      verify this collection, and those above it; may be repeated
  --origin <origin>  an origin of CORS_ORIGINS, for the checks of CORS
  --expired <jwt>    a token that has expired
  --timeout <s>      give up after so many seconds (600)
  --json             write the results to stdout as JSON, and progress to stderr
  --help             show this

Exit code: 0 when everything that was checked holds, 1 when something does not, 2 when nothing could be checked.`

const DEFAULT_TIMEOUT = 600

process.exitCode = await main()

async function main(): Promise<number> {
  const given = parsed()
  if (given?.values.help) {
    console.log(USAGE)
    return 0
  }
  const { values, positionals: [url = '', ...more] = [] } = given ?? {}
  const timeout = Number(values?.timeout ?? DEFAULT_TIMEOUT)
  const base = URL.parse(url)
  const usable = base && /^https?:$/.test(base.protocol) && !more.length && timeout > 0
  if (!values || !usable) {
    console.error(USAGE)
    return 2
  }

  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)))
  }
  const show = values.json ? console.error : console.log
  const started = performance.now()
  const root = base.href.replace(/\/+$/, '')
  try {
    const results = await verification(root, {
      tokens: values.token ?? [],
      only: values.only,
      origin: values.origin,
      expired: values.expired,
      signal: AbortSignal.any([interrupted.signal, AbortSignal.timeout(timeout * 1_000)]),
      show,
    })
    const seconds = (performance.now() - started) / 1_000
    show(summaryOf(root, results, seconds))
    const passed = results.every(({ outcome }) => outcome !== 'failed')
    if (values.json) console.log(JSON.stringify({ url: root, passed, seconds, results }, null, 2))
    return passed ? 0 : 1
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    console.error(`${root} cannot be verified: ${error.message}`)
    return 2
  }
}

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        token: { type: 'string', multiple: true },
        only: { type: 'string', multiple: true },
        origin: { type: 'string' },
        expired: { type: 'string' },
        timeout: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch {
    return undefined
  }
}
