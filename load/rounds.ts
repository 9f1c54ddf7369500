/**
 * Runs a check so many times and prints one line for all; a round resolves to what it counted and throws
 * what is wrong. A round that throws makes the process fail.
 */
export async function check(
  name: string,
  rounds: number,
  round: () => Promise<Record<string, number>>,
): Promise<void> {
  const started = performance.now()
  const counts: Record<string, number> = {}
  const faults: string[] = []
  for (let at = 0; at < rounds; at += 1) {
    try {
      for (const [what, count] of Object.entries(await round())) counts[what] = (counts[what] ?? 0) + count
    } catch (error) {
      faults.push(`  round ${at + 1}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (faults.length) process.exitCode = 1
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const counted = Object.entries(counts).map(([what, count]) => `${count} × ${what}`)
  console.log(
    `${faults.length ? 'FAIL' : 'ok  '}  ${name}\n      ${rounds - faults.length} of ${rounds} rounds in ${seconds} s: ${counted.join(', ')}`,
  )
  for (const fault of faults) console.log(fault)
}

/** Sends so many requests without waiting for any. */
export function atOnce<Answer>(
  count: number,
  request: (number: number) => Promise<Answer>,
): Promise<Answer[]> {
  return Promise.all(Array.from({ length: count }, (_, number) => request(number)))
}

/** How many answers have each status. */
export function tally(answers: readonly { status: number }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

/** Throws the fault unless something holds. */
export function must(holds: boolean, fault: string): void {
  if (!holds) throw new Error(fault)
}
