import * as z from 'zod'
import { problemTypes } from '../src/problems.ts'
import { isJson, type Json } from './json.ts'

const bodies = z.record(z.string(), z.unknown())

/** Real requests and answers, as `npm run examples` records them. */
export const recorded = z.object({
  /** Operation → media type → request body; and status → media type → body of the answer. */
  operations: z.record(z.string(), z.object({ body: bodies, answers: z.record(z.string(), bodies) })),
  /** Type of problem → problem document. */
  problems: z.record(z.string(), z.unknown()),
  /** Name of a header → a value. */
  headers: z.record(z.string(), z.union([z.string(), z.number()])),
})

/** {@link recorded}. */
export type Examples = z.output<typeof recorded>

/** A document with what was recorded of its operations, problems and headers. */
export function withExamples(document: Json, { operations, problems, headers }: Examples): Json {
  const copy = structuredClone(document)
  for (const operation of objectsIn(copy.paths).flatMap(objectsIn)) {
    const { body = {}, answers = {} } = operations[String(operation.operationId)] ?? {}
    if (isJson(operation.requestBody)) illustrate(operation.requestBody, body)
    for (const [status, answer] of Object.entries(isJson(operation.responses) ? operation.responses : {})) {
      if (isJson(answer)) illustrate(answer, answers[status] ?? {})
    }
  }
  const { components = {} } = copy
  if (!isJson(components)) return copy
  for (const [name, header] of Object.entries(isJson(components.headers) ? components.headers : {})) {
    if (isJson(header) && name in headers) header.example = headers[name]
  }
  for (const [name, response] of Object.entries(isJson(components.responses) ? components.responses : {})) {
    const types = Object.entries(problemTypes).filter(([, [status]]) => name === `Problem${status}`)
    for (const [header, described] of Object.entries(
      isJson(response) && isJson(response.headers) ? response.headers : {},
    )) {
      if (isJson(described) && !('$ref' in described)) described.example = headers[header]
    }
    for (const media of isJson(response) ? objectsIn(response.content) : []) {
      media.examples = Object.fromEntries(
        types.map(([type, [, title]]) => [
          type,
          { summary: title, value: problems[type] ?? problemOf(type) },
        ]),
      )
    }
  }
  return copy
}

/** A problem that no request can cause, as its row of the table says it. */
function problemOf(type: string): Json {
  const row = Object.entries(problemTypes).find(([name]) => name === type)
  const [status, title, detail] = row?.[1] ?? []
  const [instance, request_id] = ['/api/me/tasks', '019a9f5c-4a00-7000-8000-000000000001']
  return { type: `/docs/problems#${type}`, title, status, detail, instance, request_id }
}

function illustrate(described: Json, examples: Record<string, unknown>): void {
  for (const [type, media] of Object.entries(isJson(described.content) ? described.content : {})) {
    if (isJson(media) && type in examples) media.example = examples[type]
  }
}

function objectsIn(value: unknown): Json[] {
  return Object.values(isJson(value) ? value : {}).filter(isJson)
}
