import * as z from 'zod'
import type { Answer } from './client.ts'
import { expectEqual, expectStatus, expectThat, parsedAs, type Row } from './expect.ts'
import type { Rows } from './run.ts'

/** One page of a list. */
export interface Page {
  rows: Row[]
  next: string | null
  total: number | undefined
  answer: Answer
}

const row = z.looseObject({ id: z.string(), revision: z.number() })

/** Asks for one page. Throws what is not as a page must be. */
export async function page(of: Pick<Rows, 'send' | 'resource'>, query = ''): Promise<Page> {
  const { name } = of.resource
  const answer = expectStatus(await of.send('GET', query && `?${query}`), 200)
  const body = parsedAs(
    z.looseObject({ count: z.number(), next_cursor: z.string().nullable(), total: z.number().optional() }),
    answer,
    'a page with count and next_cursor',
  )
  const rows = z.array(row).safeParse(body[name])
  expectThat(rows.success, `an array ${name} of rows`, body[name], answer)
  const found = rows.data ?? []
  expectEqual(body.count, found.length, 'count', answer)
  return { rows: found, next: body.next_cursor, total: body.total, answer }
}

/** Every row of a list, following its cursors. Throws when a page is not full and not the last. */
export async function walk(of: Pick<Rows, 'send' | 'resource'>, query = '', limit = 100): Promise<Row[]> {
  const all: Row[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const at: string = cursor && `&cursor=${encodeURIComponent(cursor)}`
    const { rows, next }: Page = await page(of, `limit=${limit}${query && `&${query}`}${at}`)
    all.push(...rows)
    cursor = next
  }
  return all
}
