import { env } from 'cloudflare:workers'
import type { Bindings } from '../src/config.ts'
import type { Reply, Work } from '../src/homes/object.ts'

/** An owner's object, as the Worker calls it. */
type Called = ReturnType<typeof env.HUB.get>

/** The tests' objects where `run` says what becomes of each batch. */
export function withRun(run: (object: Called, work: Work) => Promise<Reply>): NonNullable<Bindings['HUB']> {
  const get = (id: DurableObjectId) => {
    const object = env.HUB.get(id)
    const others = [
      'fetch',
      'announce',
      'close',
      'doubt',
      'endSessions',
      'erase',
      'settle',
      'watches',
    ] as const
    return {
      // A stub has every name, so that only a call of it says which of them is meant.
      ...Object.fromEntries(
        others.map((name) => [
          name,
          (...sent: never[]) => Reflect.apply(object[name], object, sent) as unknown,
        ]),
      ),
      run: (work: Work) => run(object, work),
    }
  }
  return { idFromName: (name: string) => env.HUB.idFromName(name), get } as unknown as NonNullable<
    Bindings['HUB']
  >
}
