import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { readConfig, type Bindings, type Config } from '../../config.ts'
import type { App } from '../../context.ts'
import { afterAnswer } from '../../http/after-answer.ts'
import { log } from '../../log.ts'
import { Problem } from '../../problems.ts'

/** One mail, as text and as HTML. */
export interface Mail {
  to: string
  subject: string
  text: string
  html: string
}

/** Hands a mail over; rejects when it was not taken. */
type Transport = (mail: Mail, key: string) => Promise<void>

/** How long after an answer was begun its mail is, in milliseconds: the answer has left by then. */
const AFTER_ANSWER = 100
const TRIES = 4
/** The first wait between two tries, in milliseconds; each next one is four times as long. */
const FIRST_WAIT = 300
/** How long a provider may take to answer, in milliseconds. */
const DEADLINE = 5_000

/** Lets through only where mail can be sent. Throws `mail_unavailable`. */
export const requireMail = createMiddleware<App>(async function requireMail(c, next) {
  if (!canMail(c.env)) throw new Problem('mail_unavailable')
  await next()
})

/** Whether mail can be sent: there is a sender, and a binding or a provider that takes it. */
export function canMail(env: Bindings): boolean {
  return transportOf(env) !== undefined
}

/**
 * Sends a mail after the answer, so that the request does not wait for it. The mail is also composed then, so that the
 * time of the answer does not tell whether there was one to send. The log never has its text.
 */
export function sendLater(c: Context<App>, write: () => Mail | undefined): void {
  afterAnswer(c, writeAndSend(c, write))
}

async function writeAndSend(c: Context<App>, write: () => Mail | undefined): Promise<void> {
  await pause(AFTER_ANSWER)
  const [transport, mail] = [transportOf(c.env), write()]
  if (transport && mail) await deliver(transport, mail, c.get('requestId'), TRIES)
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

async function deliver(
  transport: Transport,
  mail: Mail,
  requestId: string,
  tries: number,
  key = crypto.randomUUID(),
): Promise<void> {
  if (tries < TRIES) await pause(FIRST_WAIT * 4 ** (TRIES - tries - 1))
  try {
    await transport(mail, key)
  } catch (error) {
    if (tries > 1 && !(error instanceof Refused)) return deliver(transport, mail, requestId, tries - 1, key)
    const reason = error instanceof Refused ? error.status : error instanceof Error ? error.name : 'unknown'
    log('error', { event: 'mail_failed', request_id: requestId, subject: mail.subject, error: reason })
  }
}

/** What a provider will not take, however often it is sent. */
class Refused extends Error {
  override name = 'Refused'
  readonly status: number
  constructor(status: number) {
    super('the mail was refused')
    this.status = status
  }
}

function transportOf(env: Bindings): Transport | undefined {
  const config = readConfig(env)
  const { MAIL_FROM: from, MAIL_PROVIDER: provider } = config
  if (!from) return undefined
  if (provider) return (mail, key) => post(providers[provider](config, from, mail), key)
  const { EMAIL } = env
  if (!EMAIL) return undefined
  return async (mail) => {
    await EMAIL.send({ ...mail, from })
  }
}

interface Request {
  url: string
  headers: Record<string, string>
  body: object
}

const providers = {
  resend: ({ MAIL_API_KEY }: Config, from: string, mail: Mail): Request => ({
    url: 'https://api.resend.com/emails',
    headers: { Authorization: `Bearer ${MAIL_API_KEY}` },
    body: { from, ...mail, to: [mail.to] },
  }),
  postmark: ({ MAIL_API_KEY }: Config, from: string, mail: Mail): Request => ({
    url: 'https://api.postmarkapp.com/email',
    headers: { 'X-Postmark-Server-Token': MAIL_API_KEY ?? '', Accept: 'application/json' },
    body: { From: from, To: mail.to, Subject: mail.subject, TextBody: mail.text, HtmlBody: mail.html },
  }),
}

/** The key lets Resend send what arrives twice once. */
async function post({ url, headers, body }: Request, key: string): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key, ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(DEADLINE),
  })
  await response.body?.cancel()
  if (response.ok) return
  if (response.status < 500 && response.status !== 429) throw new Refused(response.status)
  throw new Error('the mail was not taken')
}
