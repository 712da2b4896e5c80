import { createHash, type Hash } from 'node:crypto'
import { createRequire } from 'node:module'
import type * as HashWasm from 'hash-wasm'
import { type Algorithm, type Digest, digestFromBytes } from '../model/digest.js'

// The package's main file holds every algorithm, and as an import it is parsed twice: 20 ms a thread.
const require = createRequire(import.meta.url)
export const loadHashWasm = (name: 'crc32' | 'md5' | 'xxhash128') =>
  require(`hash-wasm/dist/${name}.umd.min.js`) as typeof HashWasm

/** Hashes one message after another: `init`, any number of `update`s, `digest`. */
export interface Hasher {
  readonly algorithm: Algorithm
  init(): void
  update(bytes: Uint8Array): void
  digest(): Digest
  /** As `digest`, without the algorithm. */
  rawDigest(): Uint8Array
}

/** One instance serves one message at a time. xxh128 and md5 run in WebAssembly. */
export async function createHasher(algorithm: Algorithm): Promise<Hasher> {
  if (algorithm === 'sha256') return new Sha256Hasher()
  const wasm =
    algorithm === 'md5'
      ? await loadHashWasm('md5').createMD5()
      : await loadHashWasm('xxhash128').createXXHash128()
  return {
    algorithm,
    init: () => void wasm.init(),
    update: bytes => void wasm.update(bytes),
    digest: () => `${algorithm}:${wasm.digest('hex')}`,
    rawDigest: () => wasm.digest('binary'),
  }
}

const idle = new Map<Algorithm, Hasher[]>()

/** Lends a hasher for one message: to make one takes a millisecond and a memory of its own. */
export async function withHasher<T>(
  algorithm: Algorithm,
  work: (hasher: Hasher) => T | Promise<T>,
): Promise<T> {
  const hasher = idle.get(algorithm)?.pop() ?? (await createHasher(algorithm))
  try {
    hasher.init()
    return await work(hasher)
  } finally {
    const others = idle.get(algorithm)
    if (others) others.push(hasher)
    else idle.set(algorithm, [hasher])
  }
}

export function hashBytes(hasher: Hasher, bytes: Uint8Array): Digest {
  hasher.init()
  hasher.update(bytes)
  return hasher.digest()
}

class Sha256Hasher implements Hasher {
  readonly algorithm = 'sha256'
  #hash: Hash = createHash('sha256')

  init(): void {
    this.#hash = createHash('sha256')
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  digest(): Digest {
    return digestFromBytes('sha256', this.rawDigest())
  }

  rawDigest(): Uint8Array {
    return this.#hash.digest()
  }
}

/** Hashers for whichever algorithms turn up, made once each. */
export class HasherSet {
  readonly #hashers = new Map<Algorithm, Promise<Hasher>>()

  get(algorithm: Algorithm): Promise<Hasher> {
    let hasher = this.#hashers.get(algorithm)
    if (!hasher) {
      hasher = createHasher(algorithm)
      this.#hashers.set(algorithm, hasher)
    }
    return hasher
  }
}
