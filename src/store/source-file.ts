import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync } from 'node:fs'
import { ArtifactError, systemCode } from '../errors.js'

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0

/** Reads a file into `room`, one byte longer than it was; false if it is not as it was seen. */
export function readAsSeen(
  file: string,
  room: Buffer,
  { size, stats, at }: { size: number; stats: BigUint64Array; at: number },
): boolean {
  const fd = openSource(file, { check: false })
  try {
    // A regular file gives fewer bytes than asked for only at its end.
    if (readSome(fd, file, room, 0) !== size) return false
    const stat = fstatSync(fd, { bigint: true })
    return (
      stat.mtimeNs === stats[at + 1] &&
      stat.ctimeNs === stats[at + 2] &&
      stat.ino === stats[at] &&
      stat.size === BigInt(size) &&
      stat.isFile()
    )
  } finally {
    closeSync(fd)
  }
}

/**
 * Opens a regular file without a hang.
 * @param refuseLinks the file itself may not be a link; Windows does not tell.
 * @throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_UNSUPPORTED`.
 */
export function openSource(
  file: string,
  { check = true, refuseLinks = false }: { check?: boolean; refuseLinks?: boolean } = {},
): number {
  // O_NONBLOCK: a fifo that took the file's place must not hang the worker.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK
  try {
    const fd = openSync(file, refuseLinks ? flags | NO_FOLLOW : flags)
    if (!check || fstatSync(fd).isFile()) return fd
    closeSync(fd)
  } catch (error) {
    const code = systemCode(error)
    if (refuseLinks && code === 'ELOOP') throw unsupported(file, 'is a symbolic link')
    // Sockets, and devices that are not there.
    if (code !== 'ENXIO') throw fileError(error, file)
  }
  throw unsupported(file, 'is not a regular file')
}

export function unsupported(file: string, what: string): ArtifactError {
  return new ArtifactError('FILE_UNSUPPORTED', `${file} ${what}`, { details: { file } })
}

export function readSome(fd: number, file: string, buffer: Buffer, offset: number): number {
  try {
    return readSync(fd, buffer, offset, buffer.length - offset, null)
  } catch (error) {
    throw fileError(error, file)
  }
}

/** A failure to open or read a user's file, as a coded error that names it. */
export function fileError(error: unknown, file: string): ArtifactError {
  if (error instanceof ArtifactError) return error
  const code = systemCode(error)
  const gone = code === 'ENOENT' || code === 'ENOTDIR'
  return new ArtifactError(
    gone ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE',
    gone ? `there is no file ${file}` : `cannot read ${file}: ${(error as Error).message}`,
    { cause: error, details: { file, system: code } },
  )
}

/** Errors of one file; all others are the store's and end the whole ingest. */
export function isFileError(error: unknown): error is ArtifactError {
  return error instanceof ArtifactError && error.code.startsWith('FILE_')
}

export function flushInPlace(fd: number, file: string): void {
  try {
    fsyncSync(fd)
  } catch (error) {
    throw fileError(error, file)
  }
}
