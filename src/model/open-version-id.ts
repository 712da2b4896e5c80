import { createHash } from 'node:crypto'
import type { CollectionName } from './version.js'

/** An open version: every run that has this collection and distributed id adds to it. */
export interface OpenName extends CollectionName {
  distributedId: string
}

/**
 * The id of the version that an open version becomes: the same wherever it is computed, so that
 * machines which never met name the same version. The first 16 bytes, in hex, of the SHA-256 of
 * the four names in UTF-8, joined by NUL.
 */
export function openVersionId({ entity, project, name, distributedId }: OpenName): string {
  const text = [entity, project, name, distributedId].join('\0')
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 32)
}
