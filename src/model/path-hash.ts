/**
 * The hash that cuts manifests: FNV-1a, 32 bits, over the UTF-8 bytes of a path (offset basis and
 * prime: http://www.isthe.com/chongo/tech/comp/fnv), then the finalizer of MurmurHash3 (`fmix32`
 * in https://github.com/aappleby/smhasher), without which the low bits of FNV-1a depend only on
 * the low bits of the bytes. Unsigned.
 */
export function hashPath(path: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < path.length; i++) {
    let code = path.charCodeAt(i)
    if (code < 0x80) {
      hash = Math.imul(hash ^ code, 0x01000193)
      continue
    }
    if (code < 0x800) {
      hash = Math.imul(hash ^ (0xc0 | (code >> 6)), 0x01000193)
    } else {
      code = path.codePointAt(i) as number
      if (code > 0xffff) {
        i++
        hash = Math.imul(hash ^ (0xf0 | (code >> 18)), 0x01000193)
        hash = Math.imul(hash ^ (0x80 | ((code >> 12) & 0x3f)), 0x01000193)
      } else {
        hash = Math.imul(hash ^ (0xe0 | (code >> 12)), 0x01000193)
      }
      hash = Math.imul(hash ^ (0x80 | ((code >> 6) & 0x3f)), 0x01000193)
    }
    hash = Math.imul(hash ^ (0x80 | (code & 0x3f)), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
