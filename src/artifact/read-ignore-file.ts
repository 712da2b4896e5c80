import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../errors.js'
import { fileError } from '../store/source-file.js'

/** The rules of a folder's `.artifactignore`, if it has one. @throws `FILE_UNREADABLE`. */
export function readIgnoreFile(root: string): string[] {
  const file = join(root, '.artifactignore')
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileError(error, file)
  }
}
