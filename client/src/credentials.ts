import { OtherUserError } from './problems.ts'
import { parse } from './storage.ts'

/** What a request is signed with. A request that is sent again is signed for the same user. */
export interface Pass {
  /** The access token; none with cookies, or when nobody is signed in. */
  token: string | undefined
  /** The user (`sub`) it names; undefined when that cannot be read. */
  user: string | undefined
}

/** Where requests get what they are signed with. */
export interface Credentials {
  pass(): Promise<Pass>
  /** Another pass than the one that was refused; undefined when there is none. Throws `OtherUserError` when it is not for the same user. */
  renew(refused: Pass): Promise<Pass | undefined>
}

/** The caller's own access token, or what gets it: called for each request, and with the token that was refused. */
export type TokenSource = string | ((refused?: string) => string | Promise<string>)

/** Tokens from an identity provider. */
export function outside(source: TokenSource): Credentials {
  const ask = async (refused?: string): Promise<Pass> => {
    const token = typeof source === 'string' ? source : await source(refused)
    return { token, user: subjectOf(token) }
  }
  return {
    pass: () => ask(),
    async renew(refused) {
      const pass = await ask(refused.token)
      if (pass.token === refused.token) return undefined
      if (!isSame(pass.user, refused)) throw new OtherUserError()
      return pass
    },
  }
}

/** Whether a user is the one of a refused pass. A token that nobody can read is nobody's, so anybody may replace it. */
export function isSame(user: string | undefined, refused: Pass): boolean {
  return refused.user === undefined || user === refused.user
}

/** The `sub` of a JWT, for telling users apart, not for trusting; undefined of anything else. */
export function subjectOf(token = ''): string | undefined {
  const [, payload = ''] = token.split('.')
  try {
    return parse<{ sub?: string }>(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))).sub
  } catch {
    return undefined
  }
}
