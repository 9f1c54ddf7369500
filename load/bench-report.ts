import { execFileSync } from 'node:child_process'
import { cpus, loadavg, totalmem } from 'node:os'
import { createRequire } from 'node:module'
import * as z from 'zod'

/** What one side did, the median of its rounds: requests a second, and the times of its answers in milliseconds. */
interface Figures {
  perSecond: number
  median: number
  p99: number
  /** The CPU time of workerd, its database included, in microseconds a request; NaN where the system does not tell. */
  cpu: number
}

/**
 * One case under so many connections. `ratio` is the median of the rounds' ratios of requests a second; `byCpu` is what it
 * would be if CPU were all that counts, which a busy machine changes little.
 */
export interface Measured {
  name: string
  connections: number
  freehold: Figures
  bare: Figures
  ratio: number
  byCpu: number
}

/** How many processes wanted a core in the minute before. */
const [busy = 0] = loadavg()

/** The page docs/benchmarks.md. */
export function page(measured: readonly Measured[], minutes: number): string {
  const [cpu] = cpus()
  const versions = ['wrangler', 'workerd', 'autocannon'].map((name) => `${name} ${versionOf(name)}`)
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const tables = [...new Set(measured.map(({ connections }) => connections))].map((connections) =>
    table(
      connections,
      measured.filter((each) => each.connections === connections),
    ),
  )
  return `# Requests a second beside a bare Worker

\`npm run bench\` wrote this page in ${minutes.toFixed(0)} minutes: ${cpus().length} × ${cpu?.model.trim()},
${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}, ${versions.join(', ')}, commit ${commit}; ${busy.toFixed(1)}
processes wanted a core when it began.

The bare Worker ([load/bare-worker.ts](../load/bare-worker.ts)) checks the HS256 token and runs one prepared statement
written by hand; it validates nothing and has no sessions, log, retries, quota or live changes. Freehold runs with all of
that, and without its rate limits, since what simulates their binding locally costs more than all the rest. workerd serves
both by itself, each on a local D1 of 1 000 users and 100 000 tasks, 10 000 of which are one user's. A load generator asks
them in turns, a second at a time, four times; it checks the status of every answer, and shares the machine with them.

_Share_ is throughput as a share of the bare Worker's, the median of the rounds. _By CPU_ is the same from the CPU time of
workerd a request, its database and the announcement of live changes included: what else runs on the machine changes it
little. Local D1 is SQLite in the same process: a network between Worker and database, as deployed, brings the two closer
together.

![CPU time of a request: the bare Worker's as a share of ours](benchmarks.svg)

${tables.join('\n')}`
}

function table(connections: number, measured: readonly Measured[]): string {
  const rows = measured.map(({ name, freehold, bare, ratio, byCpu }) => [
    name,
    ratio.toFixed(2),
    byCpu.toFixed(2),
    freehold.perSecond.toFixed(0),
    bare.perSecond.toFixed(0),
    freehold.median.toFixed(2),
    bare.median.toFixed(2),
    freehold.p99.toFixed(1),
    bare.p99.toFixed(1),
    freehold.cpu.toFixed(0),
    bare.cpu.toFixed(0),
  ])
  const head = [
    'Operation',
    'Share',
    'by CPU',
    'a second',
    'bare',
    'median, ms',
    'bare',
    'p99, ms',
    'bare',
    'CPU, µs',
    'bare',
  ]
  const title = `## ${connections} connection${connections === 1 ? '' : 's'}`
  const rule = ['---', ...head.slice(1).map(() => '--:')]
  return `${title}\n\n${[head, rule, ...rows].map(line).join('\n')}\n`
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function versionOf(name: string): string {
  const require = createRequire(import.meta.filename)
  return z.object({ version: z.string() }).parse(require(`${name}/package.json`)).version
}

const WIDTH = 760
const LEFT = 230
const ROW = 26
const TOP = 64

/** A row of dots for each case, one for each number of connections: the share by CPU, or else by throughput. */
export function chart(measured: readonly Measured[]): string {
  const names = [...new Set(measured.map(({ name }) => name))]
  const series = [...new Set(measured.map(({ connections }) => connections))]
  const most = Math.max(1, ...measured.map(shareOf))
  const x = (ratio: number) => (LEFT + (ratio / most) * (WIDTH - LEFT - 30)).toFixed(1)
  const height = TOP + names.length * ROW + 20
  const ticks = Array.from({ length: Math.floor(most * 5) + 1 }, (_, at) => at / 5)
  const grid = ticks.map(
    (
      tick,
    ) => `<line class="${tick === 1 ? 'one' : 'grid'}" x1="${x(tick)}" x2="${x(tick)}" y1="${TOP - 10}" y2="${height - 18}"/>
<text class="tick" x="${x(tick)}" y="${TOP - 16}">${tick.toFixed(1)}</text>`,
  )
  const rows = names.map((name, at) => {
    const y = TOP + at * ROW + 8
    const dots = measured
      .filter((each) => each.name === name)
      .map(
        (each) =>
          `<circle class="s${series.indexOf(each.connections)}" cx="${x(shareOf(each))}" cy="${y}" r="5.5"><title>${each.connections} connections: ${shareOf(each).toFixed(2)}</title></circle>`,
      )
    return `<text class="name" x="${LEFT - 14}" y="${y + 4}">${name}</text>\n${dots.join('\n')}`
  })
  const legend = series.map(
    (connections, at) =>
      `<circle class="s${at}" cx="${LEFT + at * 130}" cy="20" r="5.5"/><text x="${LEFT + 12 + at * 130}" y="24">${connections} connection${connections === 1 ? '' : 's'}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="The bare Worker's CPU time of a request as a share of ours">
<style>
svg { font: 13px system-ui, sans-serif; background: #fff; color: #1f2328 }
text { fill: currentColor } .name { text-anchor: end } .tick { text-anchor: middle; font-size: 11px; opacity: 0.7 }
.grid { stroke: currentColor; opacity: 0.12 } .one { stroke: currentColor; opacity: 0.6 }
circle { stroke: #fff; stroke-width: 1 } .s0 { fill: #8c959f } .s1 { fill: #0969da } .s2 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; color: #e6edf3 } circle { stroke: #0d1117 } .s1 { fill: #58a6ff } .s2 { fill: #f0883e }
}
</style>
${[...legend, ...grid, ...rows].join('\n')}
</svg>
`
}

function shareOf({ byCpu, ratio }: Measured): number {
  return Number.isFinite(byCpu) ? byCpu : ratio
}
