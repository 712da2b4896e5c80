import { readFileSync } from 'node:fs'
import { ArtifactError, systemCode } from '../src/errors.js'
import { fileError } from '../src/store/source-file.js'

/** What `--metadata` says: JSON, or `@FILE` that holds some. @throws `INVALID_METADATA`. */
export function parseMetadata(text: string): Record<string, unknown> {
  const file = text.startsWith('@') ? text.slice(1) : undefined
  try {
    return JSON.parse(file === undefined ? text : readFileSync(file, 'utf8')) as Record<
      string,
      unknown
    >
  } catch (error) {
    if (file !== undefined && systemCode(error)) throw fileError(error, file)
    const where = file === undefined ? '--metadata' : file
    throw new ArtifactError('INVALID_METADATA', `${where} is not JSON: ${(error as Error).message}`)
  }
}
