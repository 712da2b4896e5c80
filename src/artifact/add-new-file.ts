import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import type { Entry } from '../model/entry.js'
import { writeNewFile } from './write-new-file.js'

/**
 * Writes a temporary file in `folder` by the caller's function, and adds it.
 * @returns the entry, or what the function threw.
 * @throws as `writeNewFile` and `add`.
 */
export async function addNewFile(
  folder: string,
  write: (writer: Writable) => unknown,
  add: (file: string) => Promise<Entry>,
): Promise<{ entry: Entry } | { error: unknown }> {
  const temporary = join(folder, randomBytes(8).toString('hex'))
  try {
    return (await writeNewFile(temporary, write)) ?? { entry: await add(temporary) }
  } finally {
    rmSync(temporary, { force: true })
  }
}
