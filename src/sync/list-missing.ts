import { ArtifactError } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { PushSession } from './push-session.js'

/** Keys in one question, the most that a remote takes (`Remote.listMissing`). */
const KEYS_A_QUESTION = 10_000

/** Those of the items whose keys the remote lacks. */
export async function listMissing<Item extends { key: BlobKey }>(
  session: PushSession,
  entity: string,
  items: Item[],
): Promise<Item[]> {
  const missing: Item[] = []
  for (let start = 0; start < items.length; start += KEYS_A_QUESTION) {
    const some = items.slice(start, start + KEYS_A_QUESTION)
    const keys = some.map(({ key }) => key)
    const indexes = await session.call((remote, options) =>
      remote.listMissing(entity, keys, options),
    )
    for (const index of new Set(indexes)) {
      const item = some[index]
      if (!item) {
        throw new ArtifactError('REMOTE_INVALID', 'the remote lacks what it was not asked about', {
          details: { url: session.remote.url, index, asked: some.length },
        })
      }
      missing.push(item)
    }
  }
  return missing
}
