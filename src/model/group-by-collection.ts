import type { CollectionName } from './version.js'

/** Differs for any two collections, and sorts by entity, project and name. */
export function collectionKey({ entity, project, name }: CollectionName): string {
  return [entity, project, name].join('\0')
}

/** Items of one collection together, each group and its items in the order in which they came. */
export function groupByCollection<T extends CollectionName>(items: Iterable<T>): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = collectionKey(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return [...groups.values()]
}
