import { type Stats, statSync } from 'node:fs'
import { ArtifactError } from '../errors.js'
import { fileError } from '../store/source-file.js'

/** Looks at a file of the user's, links followed. @throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`. */
export function statLocal(file: string): Stats {
  try {
    return statSync(file)
  } catch (error) {
    throw fileError(error, file)
  }
}

/** As `statLocal`. @throws `FILE_UNSUPPORTED` for what is no regular file. */
export function statFile(file: string): Stats {
  const stat = statLocal(file)
  if (stat.isFile()) return stat
  const what = stat.isDirectory() ? 'a folder: add it with addDir' : 'not a regular file'
  throw new ArtifactError('FILE_UNSUPPORTED', `${file} is ${what}`, { details: { file } })
}
