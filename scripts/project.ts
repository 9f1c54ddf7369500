import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of the package: the engine and its commands. */
export const engine = join(import.meta.dirname, '..')

/** The folder of the project that a command works on: the nearest one upwards with a wrangler.toml. */
export const root = projectOf(process.cwd())

/** Whether the project is the package itself, which is its own first application. */
export const isEngine = root === engine

/** Where the recorded examples of the documentation lie; a project does not commit what is generated. */
export const exampleFile = isEngine
  ? join(root, 'docs', 'examples.json')
  : join(root, '.freehold', 'examples.json')

function projectOf(folder: string): string {
  if (existsSync(join(folder, 'wrangler.toml'))) return folder
  const above = dirname(folder)
  if (above === folder) {
    console.error('There is no wrangler.toml here or above: run this in a Freehold project.')
    process.exit(2)
  }
  return projectOf(above)
}
