import { closeSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isArtifactError } from '../errors.js'
import { fileError, openSource } from '../store/source-file.js'

/** The rules of a folder's `.artifactignore`, if it has one. @throws as `openSource`. */
export function readIgnoreFile(root: string): string[] {
  const file = join(root, '.artifactignore')
  let fd: number
  try {
    fd = openSource(file)
  } catch (error) {
    if (isArtifactError(error, 'FILE_NOT_FOUND')) return []
    throw error
  }
  try {
    return readFileSync(fd, 'utf8').split(/\r?\n/)
  } catch (error) {
    throw fileError(error, file)
  } finally {
    closeSync(fd)
  }
}
