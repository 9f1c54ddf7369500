import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { problemTypes } from '../src/problems.ts'
import { openApiFor, pinned } from '../openapi/document.ts'
import { recorded, withExamples } from '../openapi/examples.ts'
import { declarationsOf, writeIndex } from './declarations.ts'
import { types } from './resource-fields.ts'
import { scalarPage } from './scalar.ts'

// The static pages and the table of contents that are made: wrangler runs this before it bundles, so they never lag behind
// their sources.
await writeIndex(join(import.meta.dirname, '..'))
const { resources, verbs } = await declarationsOf(join(import.meta.dirname, '..'))
const project = process.argv[2] ?? join(import.meta.dirname, '..')
const root = join(project, 'public')
mkdirSync(join(root, 'docs'), { recursive: true })
mkdirSync(join(project, 'docs'), { recursive: true })
writeFileSync(join(project, 'docs', 'field-types.md'), fieldTypes())
const document = openApi()
writeFileSync(join(root, 'openapi.json'), `${JSON.stringify(document, null, 2)}\n`)
writeFileSync(join(root, 'openapi.v1.json'), `${JSON.stringify(pinned(document), null, 2)}\n`)
writeFileSync(join(root, 'docs', 'problems.html'), problemsPage())
const scalar = scalarPage()
if (scalar !== join(root, 'docs', 'scalar.js')) copyFileSync(scalar, join(root, 'docs', 'scalar.js'))
const demo = join(import.meta.dirname, '..', 'demo')
const entryPoints = [join(demo, 'app.ts'), join(demo, 'style.css')]
buildSync({ entryPoints, outdir: join(root, 'demo'), bundle: true, minify: true, format: 'esm' })
for (const file of ['index.html', 'sw.js']) copyFileSync(join(demo, file), join(root, file))

function openApi() {
  const examples = readFileSync(join(import.meta.dirname, '..', 'docs', 'examples.json'), 'utf8')
  return withExamples(openApiFor(resources, verbs), recorded.parse(JSON.parse(examples)))
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
