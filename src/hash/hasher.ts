import { createHash, type Hash } from 'node:crypto'
import { createMD5, createXXHash128 } from 'hash-wasm'
import { type Algorithm, type Digest, digestFromBytes } from '../model/digest.js'

/** Hashes one message after another: `init`, any number of `update`s, `digest`. */
export interface Hasher {
  readonly algorithm: Algorithm
  init(): void
  update(bytes: Uint8Array): void
  digest(): Digest
}

/** One instance serves one message at a time. xxh128 and md5 run in WebAssembly. */
export async function createHasher(algorithm: Algorithm): Promise<Hasher> {
  if (algorithm === 'sha256') return new Sha256Hasher()
  const wasm = algorithm === 'md5' ? await createMD5() : await createXXHash128()
  return {
    algorithm,
    init: () => void wasm.init(),
    update: bytes => void wasm.update(bytes),
    digest: () => `${algorithm}:${wasm.digest('hex')}`,
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
    return digestFromBytes('sha256', this.#hash.digest())
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
