import type { IHasher } from 'hash-wasm'
import { loadHashWasm } from './hasher.js'

/** CRC-32C (Castagnoli), reversed. */
const POLYNOMIAL = 0x82f63b78

/** Hashes one message after another: `init`, `update`, `digest`. */
export function createCrc32c(): Promise<IHasher> {
  return loadHashWasm('crc32').createCRC32(POLYNOMIAL)
}
