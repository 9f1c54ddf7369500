import naughty from 'big-list-of-naughty-strings' with { type: 'json' }
import * as fc from 'fast-check'
import { hostileNumbers, hostileStrings } from '../test/arbitraries.ts'

/** Values that JSON can write and no language agrees on. */
const RAW_JSON = [
  '1e400',
  '-0',
  '1E-400',
  '123456789012345678901234567890',
  '"\\ud800"',
  '"\\u0000"',
  '{"__proto__":{"a":1}}',

  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  `"${'x'.repeat(60_000)}"`,
  '{"a":1,"a":2}',
  '"\u2028"',
]

const texts = [...naughty, ...hostileStrings.map(({ text }) => text), ...hostileNumbers]
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 200 }))
const anyJson = fc.jsonValue({ maxDepth: 4 })

/** A source of hostile values that is the same for the same number. */
export interface Hostility {
  /** A whole number below `end`. */
  below(end: number): number
  pick<Value>(from: readonly Value[]): Value | undefined
  text(): string
  /** A JSON document. */
  json(): string
}

/** Of public corpora, and of fast-check. */
export function hostility(seed: number): Hostility {
  let turn = 0
  const sample = <Value>(arbitrary: fc.Arbitrary<Value>): Value | undefined =>
    fc.sample(arbitrary, { seed: seed * 16 + turn++, numRuns: 1 })[0]
  const below = (end: number) => sample(fc.nat({ max: Math.max(0, end - 1) })) ?? 0
  const pick = <Value>(from: readonly Value[]) => from[below(from.length)]
  const text = () => (below(3) ? (pick(texts) ?? '') : (sample(anyText) ?? ''))
  const json = () => {
    const kind = below(4)
    if (kind === 0) return pick(RAW_JSON) ?? 'null'
    return JSON.stringify(kind === 1 ? (sample(anyJson) ?? null) : text())
  }
  return { below, pick, text, json }
}
