import type { Entry } from '../model/entry.js'

/** Those of the entries that lie below a folder. */
export async function* listBelow(
  entries: AsyncIterable<Entry>,
  folder: string,
): AsyncGenerator<Entry, void, undefined> {
  for await (const entry of entries) if (entry.path.startsWith(`${folder}/`)) yield entry
}
