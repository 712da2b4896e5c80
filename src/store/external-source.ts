import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { ArtifactError, systemCode } from '../errors.js'
import type { BlobPlace } from './locate-blobs.js'
import { fileError } from './source-file.js'

export type ExternalPlace = BlobPlace & { in: 'external' }

/** @throws `SOURCE_CHANGED` when the file is gone. */
export function openSource({ file }: ExternalPlace): number {
  try {
    // O_NONBLOCK: a fifo that took the file's place must not hang the process.
    return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') throw changedError(file)
    throw fileError(error, file)
  }
}

/** @throws `SOURCE_CHANGED` unless the file is as it was when it was hashed. */
export function checkStat(fd: number, place: ExternalPlace): void {
  const stat = fstatSync(fd, { bigint: true })
  const same =
    stat.isFile() &&
    String(stat.size) === String(place.size) &&
    String(stat.mtimeNs) === place.mtimeNs &&
    String(stat.ctimeNs) === place.ctimeNs &&
    String(stat.ino) === place.ino
  if (!same) throw changedError(place.file)
}

/** False also for a file that cannot be opened: whoever reads it is told why. */
export function isUnchanged(place: ExternalPlace): boolean {
  let fd: number | undefined
  try {
    fd = openSource(place)
    checkStat(fd, place)
    return true
  } catch (error) {
    if (error instanceof ArtifactError) return false
    throw error
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

export function changedError(file: string): ArtifactError {
  const message = `${file} was added as immutable and has changed or is gone`
  return new ArtifactError('SOURCE_CHANGED', message, { details: { file } })
}
