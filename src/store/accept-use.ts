import { ArtifactError } from '../errors.js'
import { checkRun } from '../model/check-run.js'
import type { CommitItem, CommitResult } from '../model/commit.js'
import { checkId } from '../model/names.js'
import type { CollectionName } from '../model/version.js'
import type { Store } from './store.js'

/**
 * Records a use that came from outside.
 * @throws `VERSION_NOT_FOUND` for a version that is not in the collection; `INVALID_NAME`.
 */
export async function acceptUse(
  { catalog }: Store,
  { entity, project, name }: CollectionName,
  { logId, ...item }: CommitItem & { kind: 'use' },
): Promise<CommitResult> {
  const run = checkRun(item.run)
  const id = checkId(item.versionId)
  const version = (await catalog.getVersion(id)) ?? (await catalog.findDeleted([id]))[0]
  if (version?.entity !== entity || version.project !== project || version.name !== name) {
    const message = `"${project}/${name}" has no version @${id}`
    throw new ArtifactError('VERSION_NOT_FOUND', message, { details: { id } })
  }
  return { status: 'committed', ...(await catalog.use({ logId, run, version })) }
}
