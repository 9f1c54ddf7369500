import type { Guard } from '../d1/database.ts'

/** How long what D1 has said of a guard may be remembered, in milliseconds, if nothing tells otherwise before. */
const REMEMBERED = 60 * 60_000
/**
 * How long an object doubts without being told what came of it, in milliseconds: longer than D1 can take to commit what it
 * was asked.
 */
export const DOUBT = 60_000

const ADMITTED = 'admitted '
const DOUBTED = 'doubted '

/** Why an object doubts what it remembers. */
export interface Doubt {
  since: number
  /** The other objects that were told likewise. */
  told: readonly string[]
  /** See {@link Concern}. */
  leaves?: string | undefined
}

/**
 * Which guards hold for requests on an owner's rows, as D1 has said. What may have changed since is never among them: the
 * object is told before D1 commits a change, and remembers nothing until it knows what came of it.
 */
export class Admissions {
  readonly #kv: SyncKvStorage
  readonly #doubts: Map<string, Doubt>
  /** Changes whenever something that D1 said before may not hold any more. */
  #epoch = 0

  constructor(kv: SyncKvStorage) {
    this.#kv = kv
    this.#doubts = new Map(
      Array.from(kv.list<Doubt>({ prefix: DOUBTED }), ([key, doubt]) => [key.slice(DOUBTED.length), doubt]),
    )
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Whether the guards are known to hold. */
  has(guards: readonly Guard[]): boolean {
    return !this.#isInDoubt() && (this.#kv.get<number>(keyOf(guards)) ?? 0) > Date.now()
  }

  /** Remembers that the guards hold, until `end` at the latest, in milliseconds since 1970. */
  add(guards: readonly Guard[], end: number): void {
    const now = Date.now()
    if (this.#isInDoubt()) return
    for (const [key, until] of this.#kv.list<number>({ prefix: ADMITTED })) {
      if (until <= now) this.#kv.delete(key)
    }
    this.#kv.put(keyOf(guards), Math.min(end, now + REMEMBERED))
  }

  /** Forgets everything, and remembers nothing until {@link Admissions.settle} with the same token. */
  doubt(token: string, doubt: Doubt): void {
    this.#epoch += 1
    for (const [key] of this.#kv.list({ prefix: ADMITTED })) this.#kv.delete(key)
    this.#doubts.set(token, doubt)
    this.#kv.put(DOUBTED + token, doubt)
  }

  /** Ends a doubt, and returns it. */
  settle(token: string): Doubt | undefined {
    const doubt = this.#doubts.get(token)
    this.#epoch += 1
    this.#doubts.delete(token)
    this.#kv.delete(DOUBTED + token)
    return doubt
  }

  /** The tokens of the doubts that nobody has ended in time. */
  overdue(): string[] {
    const since = Date.now() - DOUBT
    return [...this.#doubts].filter(([, doubt]) => doubt.since <= since).map(([token]) => token)
  }

  #isInDoubt(): boolean {
    return this.#doubts.size > 0
  }
}

/** A guard is what its problem and its parameters say. */
function keyOf(guards: readonly Guard[]): string {
  return ADMITTED + JSON.stringify(guards.map(({ problem, statement }) => [problem, ...statement.parameters]))
}
