import { accessSync, constants } from 'node:fs'
import { ArtifactError, systemCode } from '../errors.js'

/** Whether this process may not write to a folder: a read-only disk, or no permission. */
export function isReadOnly(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return false
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EROFS' || code === 'EACCES') return true
    if (code === 'ENOENT') return false
    throw error
  }
}

/** @throws `STORE_READ_ONLY` for a store to which this process may not write. */
export function checkWritable(home: string): void {
  if (isReadOnly(home)) throw readOnlyError(home)
}

export function readOnlyError(home: string): ArtifactError {
  const message = `this process may not write to the store in ${home}, only read it`
  return new ArtifactError('STORE_READ_ONLY', message, { details: { home } })
}
