import type { CollectionName } from './version.js'

/** Items of one collection together, each group and its items in the order in which they came. */
export function groupByCollection<T extends CollectionName>(items: Iterable<T>): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = [item.entity, item.project, item.name].join('\0')
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return [...groups.values()]
}
