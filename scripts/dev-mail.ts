import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join('.wrangler', 'tmp')
const PERIOD = 500

/** Prints the link of every mail that wrangler writes to a file from now on, so that one can follow it. */
export function printLinks(): void {
  const seen = new Set(texts())
  setInterval(() => {
    for (const file of texts()) {
      if (seen.has(file)) continue
      seen.add(file)
      const [link] = /https?:\S+#(?:reset|verify)=[\w-]+/.exec(readFileSync(join(FOLDER, file), 'utf8')) ?? []
      if (link) console.log(`\nA mail was sent. Its link:\n${link}\n`)
    }
  }, PERIOD).unref()
}

function texts(): string[] {
  try {
    return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /email.*\.txt$/.test(file),
    )
  } catch {
    return []
  }
}
