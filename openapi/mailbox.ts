/** What a link in a mail is for. */
export type LinkPurpose = 'reset' | 'verify' | 'invitation'

interface Letter {
  to: string
  subject: string
  text: string
  html: string
}

/** A mailbox for every address: a stand-in for the binding `EMAIL` whose mails can be read, for what drives the API. */
export function newMailbox() {
  const letters: Letter[] = []
  let failures = 0

  const EMAIL = {
    async send(mail: Letter) {
      if (failures > 0) {
        failures -= 1
        throw new Error('the mail was not taken')
      }
      letters.push(mail)
      return { messageId: String(letters.length) }
    },
  }

  /** The mails to an address, the newest last, once there are so many. */
  async function to(address: string, count = 1): Promise<Letter[]> {
    for (let tries = 0; ; tries += 1) {
      const found = letters.filter((letter) => letter.to === address)
      if (found.length >= count) return found
      if (tries > 1000) throw new Error(`${found.length} mails to ${address}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** The token in the newest mail to an address that has a link for this; waits until there are so many of those. */
  async function token(purpose: LinkPurpose, address: string, count = 1): Promise<string> {
    const link = new RegExp(`#${purpose}=([\\w-]+)`)
    for (let tries = 0; ; tries += 1) {
      const mails = letters.filter((letter) => letter.to === address && link.test(letter.text))
      const [, found] = link.exec(mails.at(-1)?.text ?? '') ?? []
      if (found && mails.length >= count) return found
      if (tries > 1000) throw new Error(`no link to ${purpose} for ${address}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Lets so many mails fail from now on. */
  function fail(times: number): void {
    failures = times
  }

  return { EMAIL, letters, to, token, fail }
}
