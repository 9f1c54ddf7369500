import { createClient } from 'freehold-client'
import { returnToAccount, showAccount } from './account.ts'
import { endOffer, finishSignIn } from './account-ways.ts'
import { answerInvitation, showInvited, takeInvitation } from './invitation.ts'
import { showLists, type Lists } from './lists.ts'
import { find } from './page.ts'
import { adoptGuest, hidePanes, showPanes } from './panes.ts'
import { followLink } from './proof.ts'
import { signIn } from './sign-in.ts'

const signInView = find('#sign-in', HTMLElement)
const tasksView = find('#tasks', HTMLElement)
const account = find('#account', HTMLElement)
const guest = find('#guest', HTMLElement)
const notNow = find('#not-now', HTMLButtonElement)

const client = createClient({ storage: localStorage, onSignedOut: turn })
let lists: Lists | undefined
let shown: 'tasks' | 'sign-in' | undefined
let turning = Promise.resolve()
let isAsking = false
/** Whether a guest wants to become an account, by the form. */
let isCompleting = false

/** Turns to the tasks or to the form, whichever it is time for now. */
function turn(): void {
  turning = turning.then(show)
}

async function show(): Promise<void> {
  const next = (await client.signedIn()) && !isCompleting ? 'tasks' : 'sign-in'
  if (next === shown) return
  const isReturning = shown === 'tasks'
  shown = next
  signInView.hidden = next !== 'sign-in'
  tasksView.hidden = next !== 'tasks'
  showInvited(next === 'tasks')
  if (next === 'tasks') {
    endOffer()
    hidePanes()
    account.textContent = ''
    lists = await showLists(client, sayWho)
    await sayWho()
    answer()
  } else {
    // What waits when a session has ended is sent after the next login.
    if (lists?.waiting() || isCompleting) lists?.stop()
    else await lists?.clear()
    lists = undefined
    notNow.hidden = !isCompleting
    if (!isReturning) void showPanes(enter)
    void signIn(client, isReturning && !isCompleting).then(completed)
  }
}

/** Goes on as the guest of the panes. */
function enter(): void {
  adoptGuest()
  turn()
}

function completed(): void {
  isCompleting = false
  turn()
}

/** Says whose tasks these are, once the server can be asked. */
async function sayWho(): Promise<void> {
  if (isAsking || account.textContent) return
  isAsking = true
  const who = await client.me().catch(() => undefined)
  if (who) {
    account.textContent = who.email ?? 'Guest'
    guest.hidden = who.email !== null
  }
  isAsking = false
}

find('#log-out', HTMLButtonElement).onclick = async () => {
  const waiting = lists?.waiting()
  if (waiting && !confirm(`The server does not have ${waiting} of your changes yet. Log out and lose them?`))
    return
  await lists?.clear()
  lists = undefined
  // The tokens are forgotten even if the server cannot be told.
  await client.logout().catch(() => undefined)
  turn()
}

find('#complete', HTMLButtonElement).onclick = () => {
  isCompleting = true
  turn()
}
notNow.onclick = completed
find('#show-account', HTMLButtonElement).onclick = () => showAccount(client)

/** Asks about an invitation whose link was opened, here or in the address of the page that is open. */
function answer(): void {
  takeInvitation()
  showInvited(shown === 'tasks')
  if (lists) answerInvitation(client, lists)
}
addEventListener('hashchange', answer)
takeInvitation()

// Another tab has logged in or out.
addEventListener('storage', turn)
// Opens this page while the server is away.
void navigator.serviceWorker?.register('/sw.js')
void followLink(client)
  .then(() => finishSignIn(client))
  .then(turn)
  .then(() => returnToAccount(client))
