import { type Stats, statSync } from 'node:fs'
import { fileError } from '../store/source-file.js'

/** Looks at a file of the user's, links followed. @throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`. */
export function statLocal(file: string): Stats {
  try {
    return statSync(file)
  } catch (error) {
    throw fileError(error, file)
  }
}
