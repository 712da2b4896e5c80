import { normalizeMetadata } from '../model/metadata.js'
import { checkTags, checkUserAliases } from '../model/names.js'
import type { Version } from '../model/version.js'
import { checkDescription } from './check-description.js'

/** What was set of a version and is not saved yet; checked already. */
export type VersionEdits = Partial<Pick<Version, 'description' | 'metadata' | 'tags' | 'aliases'>>

/** @throws `INVALID_METADATA`, `INVALID_TAG`, `INVALID_ALIAS`; `TypeError`. */
export function checkEdits(edits: { [Field in keyof VersionEdits]: unknown }): VersionEdits {
  return {
    ...('description' in edits && { description: checkDescription(edits.description) }),
    ...('metadata' in edits && { metadata: normalizeMetadata(edits.metadata) }),
    ...('tags' in edits && { tags: checkTags(edits.tags) }),
    ...('aliases' in edits && { aliases: checkUserAliases(edits.aliases) }),
  }
}
