import type { Mail } from './mailer.ts'

/*
 * Every mail that accounts send: edit the words here. What a letter says is a few plain paragraphs and at most one button;
 * how it looks, as text and as HTML, is below.
 */

/** What the service is called. */
const SERVICE = 'Freehold'

/** To reset a forgotten password. */
export function resetLetter(to: string, link: string): Mail {
  return letter(to, {
    subject: 'Set a new password',
    paragraphs: [`Somebody asked for a new password for your ${SERVICE} account ${to}.`],
    button: { label: 'Set a new password', link },
    closing: [
      'The link works once, for an hour. It ends every session of the account.',
      'If it was not you, do nothing: your password stays as it is.',
    ],
  })
}

/** For a new account, and whenever its owner asks again. */
export function verifyLetter(to: string, link: string): Mail {
  return letter(to, {
    subject: 'Confirm your e-mail address',
    paragraphs: [`Somebody made a ${SERVICE} account with the address ${to}. Is it yours?`],
    button: { label: 'Yes, this is my account', link },
    closing: [
      'The link works once, for a day.',
      'If you made no account, do not follow it. Should you ever want one, ask for a new password: the address is yours, and so is the account then.',
    ],
  })
}

/** For the new address of an account that changes it. */
export function changeLetter(to: string, link: string, former: string | undefined): Mail {
  const whose = former === undefined ? `A ${SERVICE} account` : `The ${SERVICE} account of ${former}`
  return letter(to, {
    subject: 'Confirm your new e-mail address',
    paragraphs: [`${whose} is to have the address ${to} from now on. Is that account yours?`],
    button: { label: 'Yes, use this address', link },
    closing: [
      'The link works once, for a day. Nothing changes before.',
      'If it is not yours, do not follow it: whoever has that account would have your address.',
    ],
  })
}

/** For the address that an account is about to leave. */
export function leavingLetter(to: string): Mail {
  return letter(to, {
    subject: 'Your e-mail address is about to change',
    paragraphs: [
      `Somebody who is logged in to your ${SERVICE} account asked for another e-mail address than ${to}. Nothing changes until the new one is confirmed.`,
      'If it was not you, change your password now: that stops it and ends every other session.',
    ],
    closing: [],
  })
}

/** For the owner of an address that somebody else wants for their account. */
export function takenLetter(to: string): Mail {
  return letter(to, {
    subject: 'Your e-mail address is in use here',
    paragraphs: [
      `Somebody wanted the address ${to} for another ${SERVICE} account. It is your account’s, so nothing has changed.`,
      'If it was you, log in to this account, or give it another address first.',
    ],
    closing: ['Otherwise you need not do anything.'],
  })
}

/** For who is invited into a team. */
export function invitationLetter(to: string, link: string, team: string, from: string | undefined): Mail {
  return letter(to, {
    subject: 'You are invited to a team',
    paragraphs: [`${from ?? 'Somebody'} invites you to the ${SERVICE} team “${team}”.`],
    button: { label: 'Join the team', link },
    closing: [
      `The link works once, for a week, and only for an account whose verified address is ${to}.`,
      'If you do not know the team, do nothing.',
    ],
  })
}

interface Letter {
  subject: string
  paragraphs: readonly string[]
  button?: { label: string; link: string }
  closing: readonly string[]
}

function letter(to: string, { subject, paragraphs, button, closing }: Letter): Mail {
  const text = [
    ...paragraphs,
    ...(button ? [`${button.label}:\n${button.link}`] : []),
    ...closing,
    `— ${SERVICE}`,
  ]
  return {
    to,
    subject: `${subject} · ${SERVICE}`,
    text: `${text.join('\n\n')}\n`,
    html: page(subject, paragraphs, button, closing),
  }
}

const STYLE = `
body { margin: 0; background: #f4f4f1; color: #1d1d1b; font: 17px/1.5 -apple-system, 'Segoe UI', Roboto, Arial, sans-serif; }
.sheet { max-width: 30rem; margin: 0 auto; padding: 32px 24px; background: #ffffff; border-radius: 12px; }
h1 { margin: 0 0 16px; font-size: 22px; line-height: 1.25; }
p { margin: 0 0 16px; overflow-wrap: anywhere; }
.button { display: inline-block; padding: 12px 20px; border-radius: 8px; background: #1f5f4a; color: #ffffff; font-weight: 600; text-decoration: none; }
.small { color: #5c5c57; font-size: 14px; }
@media (prefers-color-scheme: dark) {
  body { background: #131412; color: #ecece7; }
  .sheet { background: #1e201d; }
  .button { background: #8fd3b6; color: #10201a; }
  .small { color: #a9aaa3; }
}`

function page(
  subject: string,
  paragraphs: readonly string[],
  button: Letter['button'],
  closing: readonly string[],
): string {
  const lines = [
    ...paragraphs.map((text) => `<p>${escaped(text)}</p>`),
    ...(button
      ? [`<p><a class="button" href="${escaped(button.link)}">${escaped(button.label)}</a></p>`]
      : []),
    ...closing.map((text) => `<p class="small">${escaped(text)}</p>`),
    ...(button
      ? [`<p class="small">If the button does not work, open this address:<br>${escaped(button.link)}</p>`]
      : []),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(subject)}</title>
<style>${STYLE}
</style>
</head>
<body>
<div style="padding: 24px 12px">
<div class="sheet">
<h1>${escaped(subject)}</h1>
${lines.join('\n')}
<p class="small">${SERVICE}</p>
</div>
</div>
</body>
</html>
`
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
