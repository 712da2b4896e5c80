const BASIS = 0x811c9dc5
const PRIME = 0x01000193

/**
 * The hash that cuts manifests: FNV-1a, 32 bits, over the UTF-8 bytes of a path (offset basis and
 * prime: http://www.isthe.com/chongo/tech/comp/fnv), then the finalizer of MurmurHash3 (`fmix32`
 * in https://github.com/aappleby/smhasher), without which the low bits of FNV-1a depend only on
 * the low bits of the bytes. Unsigned.
 */
export function hashPath(path: string): number {
  const bytes = Buffer.from(path, 'utf8')
  return endPathHash(beginPathHash(bytes), bytes, bytes.length, bytes.length)
}

/** The beginning of {@link hashPath} of all paths that begin with these bytes. */
export function beginPathHash(bytes: Uint8Array): number {
  return addBytes(BASIS, bytes, 0, bytes.length)
}

/** {@link hashPath} of a path that goes on with the bytes from `start` to `end`. */
export function endPathHash(begun: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = addBytes(begun, bytes, start, end)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function addBytes(hash: number, bytes: Uint8Array, start: number, end: number): number {
  let sum = hash
  for (let at = start; at < end; at += 1) sum = Math.imul(sum ^ bytes[at]!, PRIME)
  return sum
}
