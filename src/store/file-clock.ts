import { type BigIntStats, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { storeError } from '../errors.js'

/** Git's racy-clean rule with a margin for clocks that tick at 100 Hz; for other file systems 2 s. */
const FINE_MARGIN_NS = 20_000_000n
const COARSE_MARGIN_NS = 2_000_000_000n

/**
 * Reads the clock of the store's file system.
 * @param folder for temporary files of this process, on that file system.
 * @returns for a file system, the time before which every write so far has left its mark on a file.
 */
export function readClock(folder: string): (dev: bigint) => bigint {
  const { mtimeNs, dev: here } = touch(join(folder, 'clock'))
  const coarse = BigInt(Date.now()) * 1_000_000n - COARSE_MARGIN_NS
  return dev => (dev === here ? mtimeNs - FINE_MARGIN_NS : coarse)
}

function touch(file: string): BigIntStats {
  try {
    writeFileSync(file, '')
    const stat = statSync(file, { bigint: true })
    rmSync(file)
    return stat
  } catch (error) {
    throw storeError(error, `writing ${file}`)
  }
}
