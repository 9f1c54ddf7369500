/** What this reader knows of CBOR (RFC 8949): what CTAP2 canonical form and WebAuthn's formats use. */
export type Cbor = number | string | boolean | null | Uint8Array | readonly Cbor[] | CborMap

/** A map, whose keys are integers or text. */
export type CborMap = ReadonlyMap<Cbor, Cbor>

/** Deeper than any format of WebAuthn nests. */
const MAX_DEPTH = 6
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads one item from a position, and says where it ends. Throws a plain error for what is cut short, nests too deep,
 * repeats a key, or is of another kind: an indefinite length, a tag, a float, an integer of 64 bits.
 */
export function readCbor(bytes: Uint8Array, start = 0, depth = 0): { value: Cbor; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const initial = view.getUint8(start)
  const [major, info] = [initial >> 5, initial & 31]
  if (depth > MAX_DEPTH) throw new Error('CBOR nests too deep')
  if (major === 7) return { value: simple(info), end: start + 1 }
  const { length, end: from } = argumentAt(view, start + 1, info)
  switch (major) {
    case 0:
      return { value: length, end: from }
    case 1:
      return { value: -1 - length, end: from }
    case 2:
      return { value: taken(bytes, from, length), end: from + length }
    case 3:
      return { value: UTF8.decode(taken(bytes, from, length)), end: from + length }
    case 4:
      return readArray(bytes, from, length, depth)
    case 5:
      return readMap(bytes, from, length, depth)
    default:
      throw new Error('CBOR of an unknown kind')
  }
}

/** The number after the initial byte: a value or a length. */
function argumentAt(view: DataView, at: number, info: number): { length: number; end: number } {
  if (info < 24) return { length: info, end: at }
  if (info === 24) return { length: view.getUint8(at), end: at + 1 }
  if (info === 25) return { length: view.getUint16(at), end: at + 2 }
  if (info === 26) return { length: view.getUint32(at), end: at + 4 }
  throw new Error('CBOR of an unknown length')
}

function taken(bytes: Uint8Array, from: number, length: number): Uint8Array {
  if (from + length > bytes.length) throw new Error('CBOR is cut short')
  return bytes.subarray(from, from + length)
}

function readArray(bytes: Uint8Array, from: number, length: number, depth: number) {
  const items: Cbor[] = []
  let end = from
  while (items.length < length) {
    const item = readCbor(bytes, end, depth + 1)
    items.push(item.value)
    end = item.end
  }
  return { value: items, end }
}

function readMap(bytes: Uint8Array, from: number, length: number, depth: number) {
  const entries = new Map<Cbor, Cbor>()
  let end = from
  while (entries.size < length) {
    const key = readCbor(bytes, end, depth + 1)
    const value = readCbor(bytes, key.end, depth + 1)
    if (typeof key.value !== 'number' && typeof key.value !== 'string') throw new Error('CBOR key')
    if (entries.has(key.value)) throw new Error('CBOR repeats a key')
    entries.set(key.value, value.value)
    end = value.end
  }
  return { value: entries, end }
}

function simple(info: number): boolean | null {
  if (info === 20 || info === 21) return info === 21
  if (info === 22) return null
  throw new Error('CBOR of an unknown kind')
}
