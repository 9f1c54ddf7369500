import { sql, type SQL } from 'drizzle-orm'
import type { SQLiteColumn } from 'drizzle-orm/sqlite-core'
import type { Values } from '../../d1/statement.ts'

/**
 * The columns hold the search term, whatever the case (docs/decisions/0008). SQLite's lower() knows ASCII only, so each
 * other letter of the term that has a capital is lowered by a separate replace().
 */
export function contains(columns: readonly SQLiteColumn[], term: string): SQL {
  // A NUL between the columns, which no term can hold, keeps a match inside one of them.
  const texts = sql.join(
    columns.map((column) => sql`coalesce(${column}, '')`),
    sql` || char(0) || `,
  )
  const lowered = foldings(term).reduce(
    (text, _, at) =>
      sql`replace(${text}, ${sql.placeholder(`upper ${at}`)}, ${sql.placeholder(`lower ${at}`)})`,
    sql`lower(${texts})`,
  )
  return sql`instr(${lowered}, ${sql.placeholder('term')}) > 0`
}

/** What decides the text of {@link contains}. */
export function searchShape(term: string): number {
  return foldings(term).length
}

/** The values for {@link contains}: the term with the same letters lowered as in the texts it is looked for in. */
export function searchValues(term: string): Values {
  const pairs = foldings(term)
  const small = new Map(pairs)
  const values: Values = {
    term: Array.from(term, (letter) => small.get(letter) ?? lowerAscii(letter)).join(''),
  }
  pairs.forEach(([capital, letter], at) => {
    values[`upper ${at}`] = capital
    values[`lower ${at}`] = letter
  })
  return values
}

/** How many letters of a term are folded: each costs a pass over every text that is looked through, and two bound parameters. */
const MAX_FOLDINGS = 8

/**
 * The first letters of a term outside ASCII that have one capital and are its one small form, as [capital, small]. Others
 * (İ, ς, ß, and those beyond the first {@link MAX_FOLDINGS}) are compared as they are.
 */
function foldings(term: string): [capital: string, small: string][] {
  return [...new Set(Array.from(term, smallForm))]
    .filter((letter) => letter > '\x7f')
    .map((letter): [string, string] => [letter.toUpperCase(), letter])
    .filter(([capital, letter]) => capital !== letter && smallForm(capital) === letter)
    .slice(0, MAX_FOLDINGS)
}

/** A letter's small form; itself when the way back leads elsewhere. Letter by letter: in a word, Σ depends on its neighbours. */
function smallForm(letter: string): string {
  const lower = letter.toLowerCase()
  return lower.toUpperCase() === letter ? lower : letter
}

function lowerAscii(letter: string): string {
  return letter <= '\x7f' ? letter.toLowerCase() : letter
}
