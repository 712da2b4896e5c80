import type { Page } from './catalog.js'

/** The pages of a list, one after another, each asked for when the one before it was used. */
export async function* listPages<T>(
  list: (after?: string) => Promise<Page<T>>,
): AsyncGenerator<T[], void, undefined> {
  let after: string | undefined
  do {
    const page = await list(after)
    yield page.items
    after = page.next
  } while (after !== undefined)
}
