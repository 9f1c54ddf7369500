import * as z from 'zod'

/** A V8 CPU profile, as far as it is read here: what was running at each sample, and the microseconds since the one before. */
const profile = z.object({
  nodes: z.array(z.object({ id: z.number(), callFrame: z.object({ functionName: z.string() }) })),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
})

/**
 * The CPU time of a Worker's start in a profile of `wrangler check startup`, in milliseconds: from the first sample
 * inside the Worker, everything but `(idle)`; garbage collection and native code count. A sample stands for the time
 * until the next one, as in DevTools. Wrangler's own "Active" lets it stand for the time since the one before and so
 * counts the wait for the request that causes the start, about 11 ms, which an empty Worker has too.
 */
export function startupMilliseconds(json: string): number {
  const { nodes, samples, timeDeltas } = profile.parse(JSON.parse(json))
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]))
  const running = samples.map((id) => names.get(id) ?? '')
  const first = running.findIndex((name) => name !== '(idle)' && name !== '(program)')
  if (first === -1) throw new Error('The profile has no sample of the Worker.')
  const lasted = timeDeltas.slice(1)
  const microseconds = lasted.filter((_, at) => at >= first && running[at] !== '(idle)')
  return microseconds.reduce((sum, time) => sum + time, 0) / 1000
}
