import { readFileSync, writeFileSync } from 'node:fs'
import { instance } from '@viz-js/viz'
import { cruise, type IForbiddenRuleType, type IModule } from 'dependency-cruiser'

// Holds the imports of src/ to their direction, lists its rooms with their files and lines, and draws them:
// npm run rooms [-- <file.svg>].
const picture = process.argv[2] ?? 'docs/house.svg'

/**
 * From the top down, each with what it is for: a file imports from its own room and from those below, never from one
 * above.
 */
const rooms: Readonly<Record<string, string>> = {
  index: 'the Worker of this application',
  resources: 'the product: one declaration a file; imports only freehold',
  freehold: 'the package: what a declaration and a route beside it need',
  worker: 'the package: what serves them, fetch and scheduled, and the object of an owner',
  objects: "an owner's object: rows, their schema, what it remembers of D1",
  schema: 'the tables of the engine, with their migrations',
  app: 'the pipeline, in the order a request meets it',
  user: "what works over all of an owner's rows: changes, export, erase, purge",
  teams: 'who shares rows: teams, members, invitations, what happened',
  accounts: 'what ACCOUNTS=off removes: registration, login, sessions, passwords',
  live: "each owner's live connections, and what they are told",
  auth: 'who is calling: issuers, keys, tokens, sessions, owner',
  engine: 'from a declaration to routes, validation and statements',
  http: 'one small middleware a file, and the error handler',
  homes: "where an owner's rows are: D1, or an object of their own",
  context: 'what middleware knows of a request (types)',
  d1: 'one batch a request: statements, assertions, clock',
  config: 'the settings, read and checked once',
  'own-key': 'a JWK that this deployment signs with',
  provider: 'who else signs users in',
  setting: 'the kinds of settings',
  memo: 'made once, when first asked for',
  sha256: 'a digest in hexadecimal',
  ids: 'the grammar of ids',
  log: 'one line of JSON',
  problems: 'the closed table of what can go wrong',
}

const names = Object.keys(rooms)

const forbidden: IForbiddenRuleType[] = [
  { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
  ...names.slice(1).map((room, at): IForbiddenRuleType => ({
    name: `${room}-imports-downwards`,
    severity: 'error',
    from: { path: pathOf(room) },
    to: {
      path: names
        .slice(0, at + 1)
        .map(pathOf)
        .join('|'),
    },
  })),
  {
    // The application is written as any team's is, against what the package exports.
    name: 'applications-import-the-package',
    severity: 'error',
    from: { path: ['index', 'resources'].map(pathOf).join('|') },
    to: { path: '^src/', pathNot: ['resources', 'freehold', 'worker'].map(pathOf).join('|') },
  },
  {
    name: 'every-file-has-a-room',
    severity: 'error',
    from: { path: '^src/', pathNot: names.map(pathOf).join('|') },
    to: {},
  },
]

const { output } = await cruise(['src'], {
  validate: true,
  ruleSet: { forbidden },
  includeOnly: '^src',
  // TypeScript 7 has no API for other tools yet: until it has, swc reads the imports, types' too.
  parser: 'swc',
  tsPreCompilationDeps: true,
})
if (typeof output === 'string') throw new Error(output)
const { modules, summary } = output
if (!modules.length) throw new Error('No file was found: was src/ moved?')
for (const { rule, from, to } of summary.violations) console.error(`${rule.name}: ${from} → ${to}`)
if (summary.violations.length) process.exitCode = 1
else await draw()

async function draw(): Promise<void> {
  const files = Map.groupBy(modules, ({ source }) => roomOf(source))
  const arrows = new Map<string, number>()
  for (const { source, dependencies } of modules) {
    for (const { resolved } of dependencies) {
      const [from, to] = [roomOf(source), roomOf(resolved)]
      if (from !== to) arrows.set(`${from} ${to}`, (arrows.get(`${from} ${to}`) ?? 0) + 1)
    }
  }
  const shown = Object.entries(rooms).flatMap(([name, purpose]) => {
    const here = files.get(name)
    return here ? [{ name, purpose, files: here.length, lines: linesOf(here) }] : []
  })
  for (const { name, purpose, files: count, lines } of shown) {
    console.log(
      `${name.padEnd(10)} ${String(count).padStart(3)} files ${String(lines).padStart(5)} lines  ${purpose}`,
    )
  }
  console.log(`${arrows.size} arrows between ${shown.length} rooms; none runs back up, none in a circle.`)
  // What imports nothing is there for everybody: its arrows would only hide the others.
  const leaves = new Set(shown.map(({ name }) => name))
  for (const arrow of arrows.keys()) leaves.delete(arrow.split(' ', 1)[0] ?? '')
  const drawn = shown.filter(({ name }) => !leaves.has(name))
  const shared = shown.filter(({ name }) => leaves.has(name))
  const graph = `digraph house {
    rankdir=TB; bgcolor=transparent; nodesep=0.25; ranksep=0.45
    node [shape=box style="rounded,filled" fontname="Arial" fontsize=12 margin="0.16,0.09"]
    edge [arrowsize=0.6]
    ${drawn.map(({ name, purpose }) => `"${name}" [label=<${heading(name, purpose)}>]`).join('\n')}
    ${[...arrows.keys()]
      .map((arrow) => arrow.split(' '))
      .filter(([, to = '']) => !leaves.has(to))
      .map((ends) => ends.map((room) => `"${room}"`).join(' -> '))
      .join('\n')}
    "for all" [label=<<b>for all</b>${shared.map(({ name, purpose }) => `<br/><b>${name}</b> ${purpose}`).join('')}>]
    "d1" -> "for all" [style=invis]
  }`
  const viz = await instance()
  writeFileSync(picture, coloured(viz.renderString(graph, { format: 'svg' })))
}

/** The pattern of a room's files. */
function pathOf(room: string): string {
  return `^src/${room}(/|\\.ts$)`
}

/** The room a file is in: its folder in src/, or its own name. */
function roomOf(file: string): string {
  return file.split('/')[1]?.replace(/\.ts$/, '') ?? ''
}

function linesOf(files: readonly IModule[]): number {
  return files.reduce((sum, { source }) => sum + readFileSync(source, 'utf8').split('\n').length - 1, 0)
}

function heading(name: string, purpose: string): string {
  return `<b>${name}</b><br/><font point-size="10">${wrapped(purpose)}</font>`
}

/** A sentence in lines of some thirty characters, as Graphviz's HTML. */
function wrapped(sentence: string): string {
  return sentence.replaceAll(/(.{20,32}) /g, '$1<br/>').replaceAll("'", '&#39;')
}

/** Graphviz knows one set of colours: these follow the reader's, light or dark. */
function coloured(svg: string): string {
  const style = `<style>
text { fill: #1c2430 } path, polygon { stroke: #6b7686 } .node path { fill: #f3f5f8 } .edge polygon { fill: #6b7686 }
@media (prefers-color-scheme: dark) {
text { fill: #e6eaf0 } path, polygon { stroke: #8b97a8 } .node path { fill: #232b37 } .edge polygon { fill: #8b97a8 }
}
</style>`
  return svg
    .slice(svg.indexOf('<svg'))
    .replaceAll(/ (fill|stroke)="(?!none)[^"]*"/g, '')
    .replace(/(<svg[^>]*>)/, `$1\n${style}`)
}
