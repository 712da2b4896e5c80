import { listPages } from '../catalog/list-pages.js'
import type { Store } from './store.js'

/** The ids of all versions of a store, by project, name and number. */
export async function listVersionIds({ catalog }: Store): Promise<string[]> {
  const ids: string[] = []
  for await (const page of listPages(after => catalog.listVersions({}, after))) {
    for (const { id } of page) ids.push(id)
  }
  return ids
}
