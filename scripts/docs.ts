import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import * as z from 'zod'
import { problemTypes } from '../src/problems.ts'
import { openApiFor, pinned, type About } from '../openapi/document.ts'
import { recorded, withExamples } from '../openapi/examples.ts'
import { declarationsOf, writeIndex } from './declarations.ts'
import { engine, exampleFile, isEngine, root } from './project.ts'
import { types } from './resource-fields.ts'
import { scalarPage } from './scalar.ts'

const PAGES = [
  '_headers',
  'favicon.svg',
  'docs.html',
  'docs/problems.css',
  'docs/reference.css',
  'docs/reference.js',
  'docs/scalar.js',
]

// The static pages and the table of contents that are made: wrangler runs this before it bundles, so they never lag behind
// their sources.
await writeIndex(root)
const { resources, verbs } = await declarationsOf(root)
const target = process.argv[2] ?? root
const pages = join(target, 'public')
mkdirSync(join(pages, 'docs'), { recursive: true })
if (isEngine) {
  mkdirSync(join(target, 'docs'), { recursive: true })
  writeFileSync(join(target, 'docs', 'field-types.md'), fieldTypes())
  const demo = join(engine, 'demo')
  const entryPoints = [join(demo, 'app.ts'), join(demo, 'style.css')]
  buildSync({ entryPoints, outdir: join(pages, 'demo'), bundle: true, minify: true, format: 'esm' })
  for (const file of ['index.html', 'sw.js']) copyFileSync(join(demo, file), join(pages, file))
  scalarPage()
}
// A project's pages come with the package; its own files in static/ take precedence.
if (pages !== join(engine, 'public')) {
  for (const file of PAGES) cpSync(join(engine, 'public', file), join(pages, file))
}
const document = openApi()
writeFileSync(join(pages, 'openapi.json'), `${JSON.stringify(document, null, 2)}\n`)
writeFileSync(join(pages, 'openapi.v1.json'), `${JSON.stringify(pinned(document), null, 2)}\n`)
writeFileSync(join(pages, 'docs', 'problems.html'), problemsPage())
if (!isEngine && existsSync(join(root, 'static'))) cpSync(join(root, 'static'), pages, { recursive: true })

function openApi() {
  const plain = openApiFor(resources, verbs, isEngine ? undefined : about())
  if (!existsSync(exampleFile)) return plain
  return withExamples(plain, recorded.parse(JSON.parse(readFileSync(exampleFile, 'utf8'))))
}

/** What a project is called, as its package.json says. */
function about(): About {
  const { name, version, description } = z
    .object({ name: z.string(), version: z.string().default('0.0.0'), description: z.string().optional() })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  return { title: name, version, summary: description }
}

function fieldTypes(): string {
  const rows = types.map(
    ({ syntax, column, input, json, filter }) =>
      `| \`name:${syntax}\` | ${column} | ${input} | ${json} | ${filter} |\n`,
  )
  return `# Field types

What \`npm run resource\` makes of each type. A field is required unless it ends in \`?\` (null when left out) or \`=value\`
(its default). Written by \`npm run docs\`.

| Field | Column | Validator | JSON | Filters by |
|---|---|---|---|---|
${rows.join('')}`
}

function problemsPage(): string {
  const rows = Object.entries(problemTypes).map(
    ([type, [status, title, detail]]) => `    <section id="${type}">
      <h2>${title}</h2>
      <p>${status} · <code>${type}</code></p>
      <p>${detail.replaceAll(/`([^`]*)`/g, '<code>$1</code>').replaceAll('<token>', '&lt;token&gt;')}</p>
    </section>
`,
  )
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <meta name="color-scheme" content="light dark">
    <title>Problem types</title>
    <link rel="icon" href="/favicon.svg">
    <link rel="stylesheet" href="/docs/problems.css">
  </head>
  <body>
    <h1>Problem types</h1>
    <p>
      Every error of this API is a problem document (RFC 9457), and its <code>type</code> is one of these.
      The <a href="/docs">reference</a> says which request can meet which.
    </p>
${rows.join('')}  </body>
</html>
`
}
