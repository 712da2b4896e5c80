import { listPages } from '../catalog/list-pages.js'
import type { CollectionName } from '../model/version.js'
import type { Remote } from '../remote/remote.js'
import type { Store } from '../store/store.js'

/**
 * The id of the newest version that a remote has and that is not deleted here: its latest, once it knows
 * of the deletions. Undefined when there is none.
 */
export async function findNewestLeft(
  { catalog }: Store,
  remote: Remote,
  { signal, ...collection }: CollectionName & { signal: AbortSignal },
): Promise<string | undefined> {
  let newest: string | undefined
  for await (const page of listPages(after => remote.listVersions(collection, after, { signal }))) {
    const deleted = await catalog.findDeleted(page.map(({ id }) => id))
    newest = page.findLast((_, index) => !deleted[index])?.id ?? newest
  }
  return newest
}
