import type { Page } from '../src/catalog/catalog.js'
import { listPages } from '../src/catalog/list-pages.js'

/** A whole list at once, for printing. */
export async function collectPages<T>(list: (after?: string) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = []
  for await (const page of listPages(list)) items.push(...page)
  return items
}
