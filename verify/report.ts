import { curlOf, shortened, type Answer } from './client.ts'

/** What became of one check. */
export interface Result {
  subject: string
  name: string
  /** The collection that it was about, if it was about one. */
  collection?: string | undefined
  outcome: 'passed' | 'failed' | 'not checked'
  expected?: string
  came?: string
  /** The request as a curl line, without tokens. */
  request?: string | undefined
  /** Why it was not checked. */
  reason?: string
}

/** Where results go: kept for the end, and shown as they come. */
export interface Report {
  results: Result[]
  add(result: Result): void
}

/** A report that hands a line for each result to `show`. */
export function newReport(show: (line: string) => void): Report {
  const results: Result[] = []
  return {
    results,
    add(result) {
      results.push(result)
      show(lineOf(result))
    },
  }
}

/** That something is not as it must be. */
export class Mismatch extends Error {
  override name = 'Mismatch'
  readonly expected: string
  readonly came: string
  readonly answer: Answer | undefined

  constructor(expected: string, came: string, answer?: Answer) {
    super(`expected ${expected}, came ${came}`)
    this.expected = expected
    this.came = came
    this.answer = answer
  }
}

/** The failed result of a check that ended in `error`. */
export function failureOf(url: string, error: unknown): Pick<Result, 'expected' | 'came' | 'request'> {
  if (error instanceof Mismatch) {
    const { expected, came, answer } = error
    return { expected, came: shortened(came), request: answer && curlOf(url, answer.sent) }
  }
  return { expected: 'the check to end', came: messageOf(error) }
}

/** What an error says, and what caused it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${messageOf(error.cause)}` : error.message
}

/** The summary for people. */
export function summaryOf(url: string, results: readonly Result[], seconds: number): string {
  const count = (outcome: Result['outcome']) => results.filter((one) => one.outcome === outcome).length
  const left = results.filter(({ outcome }) => outcome === 'not checked')
  const failed = results.filter(({ outcome }) => outcome === 'failed')
  return [
    '',
    ...(failed.length ? ['Failed:', ...failed.map(lineOf), ''] : []),
    ...(left.length ? ['Not checked:', ...left.map(lineOf), ''] : []),
    `${url}: ${count('passed')} passed, ${count('failed')} failed, ${left.length} not checked, in ${seconds.toFixed(1)} s`,
  ].join('\n')
}

const MARKS = { passed: '✓', failed: '✗', 'not checked': '·' }

function lineOf({ subject, name, collection, outcome, expected, came, request, reason }: Result): string {
  const line = `${MARKS[outcome]} ${subject}${collection ? ` (${collection})` : ''}: ${name}`
  if (outcome === 'not checked') return `${line}: ${reason}`
  if (outcome === 'passed') return line
  return [
    line,
    `    expected ${expected}`,
    `    came     ${came}`,
    ...(request ? [`    ${request}`] : []),
  ].join('\n')
}
