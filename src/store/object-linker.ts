import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { ArtifactError, systemCode } from '../errors.js'

/** In the order of the help texts. */
export const LINK_MODES = ['reflink', 'copy', 'hardlink', 'symlink'] as const

/**
 * How a whole object becomes a file of a checkout. `reflink`: a clone of its own, where the file
 * system makes them, and else a copy. A `hardlink` or `symlink` is the object itself.
 */
export type LinkMode = (typeof LINK_MODES)[number]

/** What a file system says that does not clone, or not from the store's. */
const NO_CLONES = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOTTY', 'ENOSYS', 'EXDEV', 'EINVAL'])
/** What says that a link cannot be made to the object. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

const CLONE = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL

/** Whether files of this mode share their bytes with the store. */
export function isShared(link: LinkMode): link is 'hardlink' | 'symlink' {
  return link === 'hardlink' || link === 'symlink'
}

/** @throws `TypeError` for anything but a {@link LinkMode} or undefined. */
export function checkLinkMode(link: unknown): void {
  if (link === undefined || LINK_MODES.includes(link as LinkMode)) return
  throw new TypeError(`link is not one of ${LINK_MODES.join(', ')}: ${String(link)}`)
}

/** Makes files out of objects below one folder. */
export class ObjectLinker {
  /** Whether the file system makes clones of objects, as far as is known. */
  clones = true
  /** What new files get here: the process's umask, which a worker thread may not ask for. */
  #mode: number | undefined

  /** Makes a new file that has the blocks of another. @returns false where that cannot be done. */
  clone(object: string, file: string): boolean {
    if (!this.clones) return false
    this.#mode ??= findMode(file)
    try {
      copyFileSync(object, file, CLONE)
    } catch (error) {
      if (!NO_CLONES.has(systemCode(error) ?? '')) throw error
      this.clones = false
      return false
    }
    chmodSync(file, this.#mode)
    // On macOS a clone comes with the times of what it was made from.
    const now = new Date()
    utimesSync(file, now, now)
    return true
  }

  /** @throws `LINK_REFUSED` where the file system does not allow it. */
  share(object: string, file: string, link: 'hardlink' | 'symlink'): void {
    try {
      if (link === 'hardlink') linkSync(object, file)
      else symlinkSync(object, file)
    } catch (error) {
      const code = systemCode(error)
      if (!NO_LINK.has(code ?? '')) throw error
      const why = code === 'EXDEV' ? 'the store is on another file system' : code
      throw new ArtifactError('LINK_REFUSED', `cannot make ${file} a ${link}: ${why}`, {
        cause: error,
        details: { file, link, system: code },
      })
    }
  }
}

function findMode(file: string): number {
  const fd = openSync(file, 'wx', 0o666)
  try {
    return fstatSync(fd).mode & 0o777
  } finally {
    closeSync(fd)
    rmSync(file)
  }
}
