import { ArtifactError, type ErrorCode } from '../errors.js'

/**
 * Errors that are in the item itself, so that trying again as it is leads nowhere. All others are
 * of the remote or the store, and leave what is pending pending.
 */
const ITEM_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'INVALID_NAME',
  'INVALID_TYPE',
  'INVALID_ALIAS',
  'INVALID_TAG',
  'INVALID_METADATA',
  'INVALID_PATH',
  'INVALID_DIGEST',
  'INVALID_REFERENCE',
  'TYPE_CONFLICT',
  'ARTIFACT_NOT_FOUND',
  'VERSION_NOT_FOUND',
  'ENTITY_NOT_FOUND',
  'BLOB_DAMAGED',
  'BLOB_MISSING',
  'PIECE_INVALID',
  'REQUEST_INVALID',
  'REQUEST_TOO_LARGE',
  'DIGEST_NOT_ACCEPTED',
  'SOURCE_CHANGED',
])

export function isItemFault(error: unknown): error is ArtifactError {
  return error instanceof ArtifactError && ITEM_FAULTS.has(error.code)
}
