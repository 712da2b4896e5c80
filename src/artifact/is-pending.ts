import type { Catalog } from '../catalog/catalog.js'
import { listPages } from '../catalog/list-pages.js'
import { ArtifactError, type ErrorData } from '../errors.js'

/**
 * Whether something of a version, or of a part, is still to be sent: itself, or the aliases of a log
 * of unchanged content, or its deletion. That a run used it is nothing of the version.
 * @throws why the remote refused it, if it did.
 */
export async function isPending(catalog: Catalog, id: string): Promise<boolean> {
  let failure: ErrorData | undefined
  for await (const items of listPages(after => catalog.listPending(after))) {
    const own = items.filter(
      ({ versionId, kind, ids }) => kind !== 'use' && (ids?.includes(id) ?? versionId === id),
    )
    if (own.some(({ error }) => !error)) return true
    failure = own.at(-1)?.error ?? failure
  }
  // A request to finish that failed does not matter while a later one is on its way.
  if (failure) throw ArtifactError.from(failure)
  return false
}
