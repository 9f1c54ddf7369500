import * as z from 'zod'
import type { Json } from './json.ts'

/** An operation of an OpenAPI document, with every reference to a parameter, header or response resolved. */
export interface Operation {
  id: string
  /** In capitals, as in a request. */
  method: string
  /** With its parameters in braces. */
  path: string
  /** Whether it answers without credentials. */
  open: boolean
  parameters: readonly Parameter[]
  /** Media type → what a request body holds; empty when it takes none. */
  body: ReadonlyMap<string, Media>
  responses: ReadonlyMap<number, Answer>
}

/** A parameter of an operation. */
export type Parameter = z.output<typeof parameter>

/** A body in one media type. `pointer` is where its schema is in the document (RFC 6901), as a URI fragment. */
export interface Media {
  pointer: string
  schema: Json
  examples: readonly unknown[]
}

/** A response of an operation. */
export interface Answer {
  headers: ReadonlyMap<
    string,
    { pointer: string; required: boolean; schema: Json; examples: readonly unknown[] }
  >
  content: ReadonlyMap<string, Media>
}

const json = z.record(z.string(), z.unknown())
const parameter = z.object({
  name: z.string(),
  in: z.enum(['path', 'query', 'header', 'cookie']),
  required: z.boolean().default(false),
  schema: json,
})
const examples = {
  example: z.unknown().optional(),
  examples: z.record(z.string(), z.object({ value: z.unknown() })).default({}),
}
const media = z.object({ schema: json, ...examples })
const header = z.object({ required: z.boolean().default(false), schema: json, ...examples })
const response = z.object({
  headers: z.record(z.string(), json).default({}),
  content: z.record(z.string(), media).default({}),
})
const operation = z.object({
  operationId: z.string(),
  security: z.array(json).optional(),
  parameters: z.array(json).default([]),
  requestBody: z.object({ content: z.record(z.string(), media) }).optional(),
  responses: z.record(z.string(), json),
})
const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const

/** Every operation of a document. Throws when the document does not have the form that ours have. */
export function operationsOf(document: unknown): Operation[] {
  const { paths } = z.object({ paths: z.record(z.string(), json) }).parse(document)
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) =>
      operationAt(
        document,
        ['paths', path, method],
        path,
        method,
        z.array(json).parse(item.parameters ?? []),
      ),
    ),
  )
}

function operationAt(
  document: unknown,
  at: readonly string[],
  path: string,
  method: string,
  shared: readonly Json[],
): Operation {
  const found = operation.parse(lookUp(document, at))
  return {
    id: found.operationId,
    method: method.toUpperCase(),
    path,
    open: found.security?.length === 0,
    parameters: [...shared, ...found.parameters].map((each) =>
      parameter.parse(resolve(document, each).value),
    ),
    body: mediaIn(found.requestBody?.content ?? {}, [...at, 'requestBody', 'content']),
    responses: new Map(
      Object.entries(found.responses).map(([status, reference]) => [
        Number(status),
        answerAt(document, reference, [...at, 'responses', status]),
      ]),
    ),
  }
}

function answerAt(document: unknown, reference: Json, here: readonly string[]): Answer {
  const { value, at = here } = resolve(document, reference)
  const { headers, content } = response.parse(value)
  return {
    headers: new Map(
      Object.entries(headers).map(([name, each]) => {
        const found = resolve(document, each)
        const { required, schema, ...rest } = header.parse(found.value)
        const pointer = fragment([...(found.at ?? [...at, 'headers', name]), 'schema'])
        return [name, { pointer, required, schema, examples: examplesIn(rest) }]
      }),
    ),
    content: mediaIn(content, [...at, 'content']),
  }
}

function mediaIn(content: Record<string, z.output<typeof media>>, at: readonly string[]): Map<string, Media> {
  return new Map(
    Object.entries(content).map(([type, { schema, ...rest }]) => [
      type,
      { pointer: fragment([...at, type, 'schema']), schema, examples: examplesIn(rest) },
    ]),
  )
}

function examplesIn(found: { example?: unknown; examples: Record<string, { value?: unknown }> }): unknown[] {
  const named = Object.values(found.examples).map(({ value }) => value)
  return found.example === undefined ? named : [found.example, ...named]
}

/** A part of a document, or what it refers to and where that is. */
export function resolve(document: unknown, value: Json): { value: Json; at?: string[] } {
  if (typeof value.$ref !== 'string') return { value }
  const at = value.$ref.split('/').slice(1)
  return { value: json.parse(lookUp(document, at)), at }
}

function lookUp(document: unknown, path: readonly string[]): unknown {
  return path.reduce((value: unknown, key) => json.parse(value)[key], document)
}

function fragment(path: readonly string[]): string {
  return path
    .map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('')
    .replace(/^/, '#')
}
