import type * as z from 'zod'
import { passkeyName, passkeyRegistration } from '../src/accounts/bodies.ts'
import type { CreationOptions, RequestOptions } from '../src/accounts/passkey-options.ts'
import { authenticationResponse, registrationResponse } from '../src/accounts/webauthn/bodies.ts'
import { closed, COUNT, isJson, ref, schemaOf, type Json } from './json.ts'

const TEXT = { type: 'string' }
const BYTES = { ...TEXT, pattern: '^[A-Za-z0-9_-]+$', description: 'Bytes in base64url.' }
const TIMEOUT = { ...COUNT, description: 'In milliseconds.' }
const PUBLIC_KEY = constant('public-key')
const REQUIRED = constant('required')

/** A schema for each member of a type of the engine. */
type Members<Type> = { [Name in keyof Type]: Json }

const creationOptions: Members<CreationOptions> = {
  rp: ref('schemas', 'RelyingParty'),
  user: ref('schemas', 'PasskeyUser'),
  challenge: BYTES,
  pubKeyCredParams: { type: 'array', items: ref('schemas', 'CredentialParameters') },
  timeout: TIMEOUT,
  excludeCredentials: { type: 'array', items: ref('schemas', 'CredentialDescriptor') },
  authenticatorSelection: ref('schemas', 'AuthenticatorSelection'),
  attestation: constant('none'),
}

const requestOptions: Members<RequestOptions> = {
  challenge: BYTES,
  timeout: TIMEOUT,
  rpId: TEXT,
  allowCredentials: {
    type: 'array',
    items: ref('schemas', 'CredentialDescriptor'),
    maxItems: 0,
  },
  userVerification: REQUIRED,
}

/** What is exchanged with browsers, as WebAuthn Level 3 has it in §5.1.8, §5.4 and §5.5. */
export function webAuthnSchemas(): Json {
  return {
    CreationOptions: closed(creationOptions),
    RelyingParty: closed({ id: TEXT, name: TEXT }),
    PasskeyUser: closed({ id: BYTES, name: TEXT, displayName: TEXT }),
    CredentialParameters: closed({
      type: PUBLIC_KEY,
      alg: { type: 'integer', format: 'int32', description: 'A COSE algorithm.' },
    }),
    CredentialDescriptor: closed({
      type: PUBLIC_KEY,
      id: BYTES,
      transports: { type: 'array', items: TEXT },
    }),
    AuthenticatorSelection: closed({
      residentKey: REQUIRED,
      requireResidentKey: { type: 'boolean', const: true },
      userVerification: REQUIRED,
    }),
    RequestOptions: closed(requestOptions),
    ExtensionResults: { type: 'object', additionalProperties: true },
    RegistrationResponse: answerOf(registrationResponse, 'AttestationResponse'),
    AttestationResponse: propertiesOf(schemaOf(registrationResponse)).response,
    AuthenticationResponse: answerOf(authenticationResponse, 'AssertionResponse'),
    AssertionResponse: propertiesOf(schemaOf(authenticationResponse)).response,
    PasskeyRegistration: closed({
      ...propertiesOf(schemaOf(passkeyRegistration)),
      passkey: ref('schemas', 'RegistrationResponse'),
    }),
    PasskeyCreate: newPasskeySchema(),
  }
}

/** A browser's answer, whose parts are components. */
function answerOf(validator: z.core.$ZodType, response: string): Json {
  const schema = schemaOf(validator)
  const parts = {
    response: ref('schemas', response),
    clientExtensionResults: ref('schemas', 'ExtensionResults'),
  }
  return { ...schema, properties: { ...propertiesOf(schema), ...parts } }
}

/** The answer of a registration, with a name. */
function newPasskeySchema(): Json {
  const registration = answerOf(registrationResponse, 'AttestationResponse')
  const { name } = propertiesOf(schemaOf(passkeyName))
  return { ...registration, properties: { ...propertiesOf(registration), name } }
}

function propertiesOf(schema: unknown): Json {
  return isJson(schema) && isJson(schema.properties) ? schema.properties : {}
}

function constant(value: string): Json {
  return { type: 'string', const: value }
}
