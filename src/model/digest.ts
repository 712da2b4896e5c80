import { ArtifactError } from '../errors.js'

/** Digest algorithms, with the length of a digest in bytes and the number that formats store. */
export const ALGORITHMS = {
  xxh128: { bytes: 16, id: 1 },
  md5: { bytes: 16, id: 2 },
  sha256: { bytes: 32, id: 3 },
} as const

export type Algorithm = keyof typeof ALGORITHMS

/** `xxh128:<32 hex>`, `md5:<32 hex>` or `sha256:<64 hex>` of plain content, in lower case. */
export type Digest = `${Algorithm}:${string}`

const BY_ID: (Algorithm | undefined)[] = []
for (const [name, { id }] of Object.entries(ALGORITHMS)) BY_ID[id] = name as Algorithm

const PATTERN = /^(?:(?:xxh128|md5):[0-9a-f]{32}|sha256:[0-9a-f]{64})$/

export function isAlgorithm(value: unknown): value is Algorithm {
  return typeof value === 'string' && Object.hasOwn(ALGORITHMS, value)
}

export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && PATTERN.test(value)
}

/** @throws `INVALID_DIGEST` when `value` is not a digest. */
export function parseDigest(value: unknown): Digest {
  if (isDigest(value)) return value
  throw new ArtifactError('INVALID_DIGEST', `not a digest: ${JSON.stringify(value)}`, {
    details: { digest: value },
  })
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.slice(0, digest.indexOf(':')) as Algorithm
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** The raw bytes of a digest, without its algorithm. */
export function digestBytes(digest: Digest): Buffer {
  return Buffer.from(hexOf(digest), 'hex')
}

export function digestFromBytes(algorithm: Algorithm, bytes: Uint8Array): Digest {
  return `${algorithm}:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`
}

/** @throws `INVALID_DIGEST` for a number that no algorithm has. */
export function algorithmById(id: number): Algorithm {
  const algorithm = BY_ID[id]
  if (algorithm) return algorithm
  throw new ArtifactError('INVALID_DIGEST', `unknown digest algorithm number ${id}`)
}
