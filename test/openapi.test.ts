import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import document from '../public/openapi.json'
import { driverFor, isInReach, type Exchange } from '../openapi/drive.ts'
import { newMailbox } from '../openapi/mailbox.ts'
import { operationsOf, type Media } from '../openapi/operations.ts'
import { addAccount } from './account.ts'
import { ceremonies, WAYS_IN } from './ceremonies.ts'
import { newId, tokenFor } from './client.ts'
import { brokenDatabase, deploy } from './deployment.ts'

// Every operation of the document is asked for each answer that it describes: what the document says is what happens.

const operations = operationsOf(document)
const mailbox = newMailbox()
const app = deploy({ ...WAYS_IN, EMAIL: mailbox.EMAIL, MAIL_FROM: 'freehold@example.com' })
const drive = driverFor(document, {
  addAccount,
  ceremonies,
  mailed: mailbox.token,
  newToken: (role) => tokenFor(`reader-${newId()}`, role && { role }),
  send: ({ method, path, headers, body }) =>
    app(method, path, { headers: { ...headers, 'CF-Connecting-IP': anyAddress() }, body }),
})

/** Addresses are limited, too. */
function anyAddress(): string {
  return crypto.getRandomValues(new Uint8Array(4)).join('.')
}

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true, validateSchema: false })
ajv.addFormat('uuid', /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
ajv.addFormat('date', /^\d{4}-\d\d-\d\d$/)
ajv.addFormat('email', /^[^@\s]+@[^@\s]+$/)
ajv.addFormat('password', true)
ajv.addFormat('double', { type: 'number', validate: Number.isFinite })
ajv.addFormat('int64', { type: 'number', validate: Number.isSafeInteger })
ajv.addFormat('int32', { type: 'number', validate: (value) => Math.abs(value) < 2 ** 31 })
ajv.addFormat('uri-reference', (text) => URL.canParse(text, 'https://api.test'))
// What an OpenAPI document has beside its schemas.
ajv.addVocabulary([...Object.keys(document), 'example', 'discriminator', 'x-default', 'x-references'])
ajv.addSchema(document, 'openapi')

/** What is wrong with a value by the schema at a place in the document. */
function faultsOf(pointer: string, value: unknown): string {
  const validate: ValidateFunction | undefined = ajv.getSchema(`openapi${pointer}`)
  if (!validate) throw new Error(`${pointer} is no schema`)
  return validate(value) ? '' : `${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`
}

/** What an answer has that the document does not say, or lacks that it says. */
function undescribed({ operation, request, response: { status, headers, text } }: Exchange): string[] {
  const described = operation.responses.get(status)
  if (!described) return [`${status} is not described: ${text}`]
  const faults: string[] = []
  for (const [name, { pointer, required, schema }] of described.headers) {
    const value = headers.get(name)
    if (value === null) {
      if (required) faults.push(`no ${name}`)
    } else faults.push(faultsOf(pointer, schema.type === 'integer' ? Number(value) : value))
  }
  const names = new Set([...described.headers.keys()].map((name) => name.toLowerCase()))
  for (const name of documented)
    if (headers.has(name) && !names.has(name)) faults.push(`${name} is not described`)
  const [type = ''] = (headers.get('Content-Type') ?? '').split(';')
  const media = described.content.get(type)
  if (media) faults.push(faultsOf(media.pointer, JSON.parse(text)))
  else if (text || described.content.size) faults.push(`a body of type "${type}": ${text}`)
  return faults.filter(Boolean).map((fault) => `${request.method} ${request.path} ${status}: ${fault}`)
}

/** Every header that the document knows, in lower case. */
const documented = Object.keys(document.components.headers).map((name) => name.toLowerCase())

test('what a client cannot bring about is described, too', async () => {
  const operation = operations.find(({ id }) => id === 'listChanges')
  if (!operation) throw new Error('there is no listChanges')
  const faults: [status: number, settings: Parameters<typeof deploy>[0]][] = [
    [429, { USER_LIMIT: { limit: async () => ({ success: false }) } }],
    [500, { DB: brokenDatabase(new Error('a fault of ours')) }],
    [503, { JWT_SECRET: undefined }],
    [504, { DB: brokenDatabase(new Error('D1_ERROR: D1 DB storage operation exceeded timeout')) }],
  ]
  const headers = { Authorization: `Bearer ${await tokenFor('somebody')}` }
  const request = { method: 'GET', path: '/api/me/changes', headers }
  for (const [status, settings] of faults) {
    const response = await deploy(settings)(request.method, request.path, { headers })
    expect(response.status, response.text).toBe(status)
    expect(undescribed({ operation, request, response })).toEqual([])
  }
})

describe.each(operations.map((operation) => [operation.id, operation] as const))('%s', (_, operation) => {
  test('answers as the document says, and each answer that it describes can be had', async () => {
    const exchanges = await drive(operation)
    expect(exchanges.flatMap(undescribed)).toEqual([])
    const had = new Set(exchanges.map(({ response }) => response.status))
    const missing = [...operation.responses.keys()].filter(
      (status) => !had.has(status) && isInReach(operation, status),
    )
    expect(missing).toEqual([])
  })

  // npm run examples records what is missing.
  test('has an example of its body and of every answer, each valid', () => {
    const bodies: [string, Media][] = [...operation.body]
    for (const [status, { content, headers }] of operation.responses) {
      bodies.push(...[...content].map(([type, media]): [string, Media] => [`${status} ${type}`, media]))
      for (const [name, { pointer, examples }] of headers) {
        expect(examples, name).not.toEqual([])
        for (const example of examples) expect(faultsOf(pointer, example)).toBe('')
      }
    }
    for (const [name, { pointer, examples }] of bodies) {
      expect(examples, name).not.toEqual([])
      for (const example of examples) expect(faultsOf(pointer, example)).toBe('')
    }
  })
})
