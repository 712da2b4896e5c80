import { ArtifactError } from '../errors.js'
import type { CommitItem, CommitResult } from '../model/commit.js'
import { normalizeMetadata } from '../model/metadata.js'
import { checkEditedAliases, checkId, checkTags } from '../model/names.js'
import type { CollectionName } from '../model/version.js'
import type { VersionChange } from '../model/version-change.js'
import { expectNotDeleted } from './accept-delete.js'
import type { Store } from './store.js'

/**
 * Makes an edit that came from outside.
 * @throws `VERSION_DELETED`; `VERSION_NOT_FOUND` for a version that is not in the collection; errors of names.
 */
export async function acceptEdit(
  { catalog }: Pick<Store, 'catalog'>,
  collection: CollectionName,
  item: CommitItem & { kind: 'edit' },
): Promise<CommitResult> {
  const { entity, project, name } = collection
  const change = checkChange(item.change)
  const versionId = checkId(item.versionId)
  const version = await catalog.getVersion(versionId)
  if (!version) await expectNotDeleted({ catalog }, collection, versionId)
  if (!version || version.project !== project || version.name !== name) {
    const message = `"${project}/${name}" has no version @${versionId}`
    throw new ArtifactError('VERSION_NOT_FOUND', message, { details: { id: versionId } })
  }
  const { type } = version
  const { logId } = item
  const answer = await catalog.edit({ logId, versionId, entity, project, name, type, change })
  return { status: 'committed', ...answer }
}

function checkChange({ description, metadata, tags, aliases }: VersionChange): VersionChange {
  return {
    ...(description && { description }),
    ...(metadata && {
      metadata: { seen: metadata.seen, to: normalizeMetadata(metadata.to) },
    }),
    ...(tags && { tags: { add: checkTags(tags.add), remove: checkTags(tags.remove) } }),
    ...(aliases && {
      aliases: {
        add: aliases.add.map(({ alias, seen }) => {
          checkEditedAliases([alias])
          return { alias, seen: seen === null ? null : checkId(seen) }
        }),
        remove: checkEditedAliases(aliases.remove),
      },
    }),
  }
}
