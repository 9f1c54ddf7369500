import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { AT_ONCE, KINDS, measureHomes, type Kind, type Service } from './homes.ts'
import { plot } from './plot.ts'
import { meanOf, MIX, OWNERS, REQUESTS, simulate, whileOneIsBusy, type Latency } from './queues.ts'
import { D1_SIZE, scaleOf, USED } from './scale-costs.ts'

// What each home of rows carries: measures how long it is busy with a request, simulates a hundred thousand owners over
// both, and counts what users cost. `npm run scale` writes docs/scale.md and its chart.

const LOADS = [30, 100, 200, 300, 500, 1_000, 3_000, 10_000, 30_000, 100_000]
/** How uneven the owners are: with 1, the busiest sends 8 % of all requests, with 0.6 0.4 %. */
const SKEWS = { even: 0.6, uneven: 1 }
/** Beyond this nobody waits, in milliseconds. */
const UNUSABLE = 10_000
/** How long one owner's worst query takes, in milliseconds, where nothing bounds it. */
const WORST = 5_000

interface Point extends Latency {
  home: string
  load: number
}

const { d1, object } = await measureHomes()
const points = LOADS.flatMap((load): Point[] => [
  { home: 'one D1', load, ...simulate(load, d1, true, SKEWS.uneven) },
  { home: 'objects', load, ...simulate(load, object, false, SKEWS.even) },
  { home: 'objects, owners very uneven', load, ...simulate(load, object, false, SKEWS.uneven) },
])
const docs = (name: string) => join(import.meta.dirname, '..', 'docs', name)
writeFileSync(docs('scale.svg'), await chart(points))
writeFileSync(docs('scale.md'), page())

/** Median and 99th percentile by load, up to where a home cannot follow. */
function chart(all: readonly Point[]): Promise<string> {
  const values = all.flatMap(({ home, load, p50, p99 }) =>
    [
      { home, load, ms: p50, which: 'median' },
      { home, load, ms: p99, which: '99th percentile' },
    ].filter(({ ms }) => ms < UNUSABLE),
  )
  const axis = { tickCount: 5, format: ',~g', grid: true } as const
  return plot('How long a request waits for its home of rows, by requests a second', {
    data: { values },
    width: 560,
    height: 300,
    mark: { type: 'line', point: true },
    encoding: {
      x: {
        field: 'load',
        type: 'quantitative',
        scale: { type: 'log' },
        axis: { ...axis, title: 'requests a second, all owners' },
      },
      y: { field: 'ms', type: 'quantitative', scale: { type: 'log' }, axis: { ...axis, title: 'ms' } },
      color: {
        field: 'home',
        type: 'nominal',
        title: null,
        sort: ['one D1', 'objects', 'objects, owners very uneven'],
      },
      strokeDash: {
        field: 'which',
        type: 'nominal',
        title: null,
        sort: ['median', '99th percentile'],
        legend: null,
      },
    },
  })
}

function page(): string {
  const kinds: Record<Kind, string> = {
    get: 'get',
    page: 'page of 50',
    write: 'update',
    search: 'search of 500 rows',
  }
  const busy = KINDS.map((kind) =>
    row(kinds[kind], `${MIX[kind]} %`, fixed(d1[kind]), fixed(object[kind]), fixed(d1[kind] / object[kind])),
  )
  const mean = row(
    '**the mix**',
    '',
    fixed(meanOf(d1)),
    fixed(meanOf(object)),
    fixed(meanOf(d1) / meanOf(object)),
  )
  const waits = LOADS.map((load) =>
    row(load.toLocaleString('en'), ...points.filter((point) => point.load === load).map(shown)),
  )
  const victims = (service: Service, isShared: boolean) => shown(whileOneIsBusy(service, isShared, WORST))
  const users = [1_000, 1_000_000, 100_000_000]
    .map(scaleOf)
    .map((scale) =>
      row(
        scale.users.toLocaleString('en'),
        whole(scale.peak),
        size(scale.size),
        scale.size > D1_SIZE ? `${dollars(scale.d1)}, if it fitted` : dollars(scale.d1),
        dollars(scale.objects),
        size(scale.directory),
      ),
    )
  const fits = Math.floor(D1_SIZE / (scaleOf(1e6).size / 1e6))
  return `# How far each home of rows goes

\`npm run scale\` wrote this page, on ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}: it measures both homes in one workerd and simulates the rest.
What it says is the shape: local figures are no promise for Cloudflare's machines, and the network is left out.

**One D1** (\`ROWS=d1\`, the default) is one SQLite for everybody: one queue, ${D1_SIZE} GB, backups and SQL over all users. **Objects**
(\`ROWS=objects\`) are a SQLite for each owner, which Cloudflare places near whoever asked first: a queue and ${D1_SIZE} GB for
each owner, without number, and D1 keeps the directory of accounts.

## How long a home is busy with one request

${table(['Request', 'Share of the mix', 'D1, ms', 'object, ms', 'ratio'], [...busy, mean])}

The same statement over the same 500 rows, ${AT_ONCE} requests at once, so that the home never waits: the time includes the way
from the Worker to it. As one queue, a D1 of this machine does ${whole(1_000 / meanOf(d1))} requests of the mix a second; Cloudflare's own
figure for a D1 is about a thousand statements a second at 1 ms each, and fewer writes.

## How long a request waits

![How long a request waits for its home](scale.svg)

${table(['Requests a second', 'one D1', 'objects', 'objects, owners very uneven'], waits)}

Median and 99th percentile (dashed) in milliseconds; – is a home that cannot follow. ${OWNERS.toLocaleString('en')} owners, ${REQUESTS.toLocaleString('en')} requests at each
load, at random moments. The busiest owner sends 0.4 % of them, or 8 % where owners are very uneven, as if a team of thousands
were one owner: then its own object is the queue.

Read replicas (\`READ_REPLICAS=on\`) take the reads off the one D1: what is left is its writes, ${MIX.write} % of the mix here, so it
carries about ${Math.round(meanOf(d1) / ((MIX.write / 100) * d1.write))} times as much before writes wait, and a read may be behind (its bookmark says by how much at most).

## When one owner asks for too much

While one owner's query keeps its home busy for ${WORST / 1_000} s, and the others send half of what one D1 can take, the others wait
(median / 99th percentile): with one D1 ${victims(d1, true)} ms, with objects ${victims(object, false)} ms. The engine bounds a search and charges
its owner for the time of the database in both homes, so no single request takes that long.

## What it costs

${table(['Users', 'requests a second at the busiest', 'rows and accounts', 'a month, one D1', 'a month, objects', 'directory'], users)}

${USED}. Dollars beyond what the paid plan includes; the prices and the use are in
load/scale-costs.ts: put in your own. Objects cost more for each request and less for each GB.

## Where the next limit is

- **One D1**: ${D1_SIZE} GB are about ${fits.toLocaleString('en')} such users; the queue is next, above.
- **Objects**: the directory. It is asked by logins, refreshes, teams and an administrator's list, and by no request on rows. At a
  KB an account it holds some ten million users in one D1; more need a directory in parts, by a hash of the address, which Freehold
  does not have.
- **One owner**: an object does about ${whole(1_000 / meanOf(object))} requests of the mix a second on this machine. A team that needs more than its own object's
  share is too large to be one owner.
- **Placement**: an object stays where it was first asked for. Its owner's requests are near it, a team's members on other continents
  are not; a D1 has one place for everybody, and its replicas only read.
`
}

function row(...cells: readonly string[]): string[] {
  return [...cells]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, at) => (at ? '--:' : '---'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function shown({ p50, p99 }: Latency): string {
  return p50 > UNUSABLE ? '–' : `${fixed(p50)} / ${p99 > UNUSABLE ? '–' : fixed(p99)}`
}

function fixed(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}

function whole(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 0 })
}

function dollars(value: number): string {
  return `$${whole(value)}`
}

function size(gigabytes: number): string {
  return gigabytes < 1 ? `${fixed(gigabytes * 1_000)} MB` : `${fixed(gigabytes)} GB`
}
