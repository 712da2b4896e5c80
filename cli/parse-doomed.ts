import { ArtifactError } from '../src/errors.js'
import {
  type ArtifactName,
  type NameDefaults,
  parseArtifactName,
  parseCollectionName,
} from '../src/model/reference-name.js'
import type { CollectionName } from '../src/model/version.js'

/** What an argument of `artifact rm` stands for. */
export type Doomed =
  | { kind: 'version'; name: ArtifactName }
  | { kind: 'range'; collection: CollectionName; first: number; last: number }
  | { kind: 'artifact'; collection: CollectionName }

/**
 * Reads `NAME:ALIAS`, `NAME:vN` or `NAME@ID`, `NAME:vN..vM` with both ends, and `NAME` alone.
 * @throws `INVALID_REFERENCE`, also for a range that ends before it begins; errors of names.
 */
export function parseDoomed(text: string, defaults: NameDefaults): Doomed {
  const [, path, from, to] = /^([^:]*):v(\d{1,15})\.\.v(\d{1,15})$/.exec(text) ?? []
  if (path !== undefined) {
    const [first, last] = [Number(from), Number(to)]
    const collection = parseCollectionName(path, defaults)
    if (first <= last) return { kind: 'range', collection, first, last }
    throw new ArtifactError('INVALID_REFERENCE', `"${text}" ends before it begins`)
  }
  if (/[:@]/.test(text.slice(text.lastIndexOf('/') + 1))) {
    return { kind: 'version', name: parseArtifactName(text, defaults) }
  }
  return { kind: 'artifact', collection: parseCollectionName(text, defaults) }
}
