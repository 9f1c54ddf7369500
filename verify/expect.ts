import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import type { Answer } from './client.ts'
import { Mismatch } from './report.ts'

/** A row of an answer. */
export type Row = Record<string, unknown> & { id: string; revision: number }

const row = z.looseObject({ id: z.string(), revision: z.number() })

const problem = z.looseObject({
  type: z.string(),
  status: z.number(),
  index: z.number().optional(),
  errors: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })).optional(),
})

/** A problem document (RFC 9457). */
export type ProblemDocument = z.output<typeof problem>

/** Throws unless `holds`. */
export function expectThat(holds: boolean, expected: string, came: unknown, answer?: Answer): void {
  if (!holds) throw new Mismatch(expected, shown(came), answer)
}

/** Throws unless two values are deeply equal. */
export function expectEqual(came: unknown, expected: unknown, what: string, answer?: Answer): void {
  if (isDeepStrictEqual(came, expected)) return
  throw new Mismatch(`${what} ${shown(expected)}`, shown(came), answer)
}

/** Throws unless the answer has one of these statuses. */
export function expectStatus(answer: Answer, ...statuses: number[]): Answer {
  if (!statuses.includes(answer.status)) {
    throw new Mismatch(`status ${statuses.join(' or ')}`, `${answer.status} ${answer.text}`, answer)
  }
  return answer
}

/** The row of an answer of this status. */
export function expectRow(answer: Answer, status = 200): Row {
  return parsedAs(row, expectStatus(answer, status), 'a row with id and revision')
}

/** Throws unless the answer is a problem of this status that names these fields or parameters. */
export function expectProblem(answer: Answer, status: number, ...paths: string[]): ProblemDocument {
  const document = parsedAs(problem, expectStatus(answer, status), 'a problem document')
  const named = document.errors?.map(({ path }) => path) ?? []
  for (const path of paths) {
    const found = named.some((one) => one === path || one.startsWith(`${path}[`))
    expectThat(found, `errors that name ${path}`, document, answer)
  }
  return document
}

/** The answer's body as a schema has it. Throws what differs. */
export function parsedAs<Output>(schema: z.ZodType<Output>, answer: Answer, what: string): Output {
  const { success, data } = schema.safeParse(answer.body)
  if (!success) throw new Mismatch(what, answer.text, answer)
  return data
}

/** A value as a message shows it. */
function shown(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
}
