import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import type { AxeResults, ImpactValue, RunOptions } from 'axe-core'
import type { Page } from 'playwright-core'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A rule of axe that some elements are known to break: what is theirs is not reported. */
export interface Known {
  rule: string
  /** A CSS selector. */
  element: string
}

/** What axe calls serious or critical on a page, a line per element, apart from what is known. */
export function seriousFaults(page: Page, known: readonly Known[] = []): Promise<string[]> {
  return faultsIn(page, known, ['serious', 'critical'])
}

/** Whatever axe finds on a page, a line per element, apart from what is known. */
export async function faultsIn(
  page: Page,
  known: readonly Known[] = [],
  impacts: readonly ImpactValue[] = ['minor', 'moderate', 'serious', 'critical'],
): Promise<string[]> {
  const options: RunOptions = { resultTypes: ['violations'] }
  // The page's own content security policy does not allow a script to be added; the debugger may.
  await page.evaluate(source)
  const results: AxeResults = await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)
  const violations = results.violations.filter(({ impact }) => impact && impacts.includes(impact))
  const faults = await Promise.all(
    violations.flatMap(({ id, nodes }) =>
      nodes.map(async ({ target, html }) => {
        const selector = target.join(' ')
        const excused = known.filter(({ rule }) => rule === id).map(({ element }) => element)
        const isKnown =
          excused.length > 0 &&
          (await page
            .locator(selector)
            .first()
            .evaluate((node, list) => node.matches(list), excused.join()))
        return isKnown ? '' : `${id}: ${selector} ${html.slice(0, 160)}`
      }),
    ),
  )
  return faults.filter(Boolean)
}
