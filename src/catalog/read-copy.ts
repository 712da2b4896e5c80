import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../errors.js'
import { createOwnedFolder, type OwnedFolder } from '../ipc/owned-folder.js'
import { ensurePrivateTemporary } from '../ipc/private-folder.js'
import { homePaths } from '../model/home.js'

export interface ReadCopy extends OwnedFolder {
  /** Where the copied index lies. */
  catalog: string
}

/**
 * Copies the index of a store that cannot be written into a folder of this process: LevelDB
 * writes to what it opens. What the copy lacks is in the journal and the packs, as ever.
 */
export async function createReadCopy(home: string): Promise<ReadCopy> {
  const folder = await createOwnedFolder(join(ensurePrivateTemporary(), 'copies'))
  const catalog = join(folder.path, 'catalog')
  try {
    copyIndex(homePaths(home).catalog, catalog)
  } catch (error) {
    await folder.close()
    throw error
  }
  return { ...folder, catalog }
}

function copyIndex(from: string, to: string): void {
  mkdirSync(to, { mode: 0o700 })
  let names: string[]
  try {
    names = readdirSync(from)
  } catch (error) {
    // A store in which nothing was logged yet has none.
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  for (const name of names) {
    if (name !== 'LOCK') copyFileSync(join(from, name), join(to, name))
  }
}
