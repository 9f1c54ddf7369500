import { SignInError, type Client } from 'freehold-client'
import { element } from './account-parts.ts'
import { find, say } from './page.ts'

const place = find('#ways', HTMLElement)

/** How long an offer of passkeys stands before it is made again, in milliseconds: its challenge lives for five minutes. */
const OFFERED = 4 * 60_000

let offer: AbortController | undefined

/** The form that the ways in stand beside. */
interface Form {
  client: Client
  /** Whether it makes an account, rather than logging in. */
  isNew: boolean
  email: () => string
  done: () => void
  refused: (error: unknown) => void
}

/** Shows what signs in besides a password: a passkey, and the providers of this deployment. */
export function showWays(form: Form): void {
  const { client, isNew, email, done, refused } = form
  const label = isNew ? 'Create account with a passkey' : 'Log in with a passkey'
  const passkey = element('button', { type: 'button', className: 'secondary' }, label)
  passkey.onclick = async () => {
    // A browser asks for one passkey at a time.
    endOffer()
    passkey.disabled = true
    try {
      if (isNew) await client.passkeys.register(email())
      await client.login.withPasskey()
      done()
    } catch (error) {
      refused(error)
      void offerPasskeys(form)
    } finally {
      passkey.disabled = false
    }
  }
  place.replaceChildren(...('PublicKeyCredential' in window ? [passkey] : []))
  void client.login.providers().then(
    (providers) => place.append(...providers.map((provider) => providerButton(form, provider))),
    () => undefined,
  )
}

function providerButton({ client, refused }: Form, { id, name }: { id: string; name: string }): HTMLElement {
  const button = element('button', { type: 'button', className: 'secondary' }, `Continue with ${name}`)
  button.onclick = () => client.login.with(id).catch(refused)
  return button
}

/** Offers passkeys in the autofill of the e-mail field, until {@link endOffer}. Whoever takes none notices nothing. */
export async function offerPasskeys({ client, done, refused }: Form): Promise<void> {
  endOffer()
  const mine = new AbortController()
  offer = mine
  if (!(await globalThis.PublicKeyCredential?.isConditionalMediationAvailable?.())) return
  while (!mine.signal.aborted) {
    const again = AbortSignal.timeout(OFFERED)
    try {
      await client.login.withPasskey({
        conditional: true,
        signal: AbortSignal.any([mine.signal, again]),
      })
      return done()
    } catch (error) {
      // It was not taken, or the server is away.
      if (again.aborted) continue
      if (error instanceof Error && error.name === 'ProblemError' && !mine.signal.aborted) refused(error)
      return
    }
  }
}

/** Takes back the offer of passkeys: somebody is signed in, or is about to be in another way. */
export function endOffer(): void {
  offer?.abort()
  offer = undefined
}

/** Why a provider sent the browser back without a sign-in. */
const REFUSALS: Record<string, string> = {
  access_denied: 'You did not sign in there, so nothing has changed.',
  account_exists:
    'There is an account with this e-mail already. Log in to it, then add the provider on the account page.',
  email_unverified: 'The provider has not verified your e-mail. Verify it there, or create an account here.',
  identity_taken: 'That one opens another account here already.',
  session_ended: 'Your session has ended. Log in, and try again.',
  reauthentication_required: 'You logged in a while ago. Log in again, and try again.',
  provider_unavailable: 'The provider does not answer. Try again in a while.',
}

/** Ends a sign-in that a provider has sent the browser back from; at once when there was none. */
export async function finishSignIn(client: Client): Promise<void> {
  try {
    await client.login.finish()
  } catch (error) {
    const reason = error instanceof SignInError ? REFUSALS[error.message] : undefined
    say(reason ?? 'Signing in with the provider did not work. Try again.')
  }
}
