import { checkWritable } from '../disk/check-writable.js'
import { systemCode } from '../errors.js'
import { createOwnedFolder, type OwnedFolder, removeDeadFolders } from '../ipc/owned-folder.js'
import { homePaths } from '../model/home.js'
import { dropOldBegun, keepAllBegun } from './begun-files.js'

export type WriterFolder = OwnedFolder

/**
 * Makes a folder under `tmp/` for the writes of this process. Those of dead ones are removed; their
 * begun files, and its own at the end, are kept for whoever goes on with them.
 * @throws `STORE_READ_ONLY`.
 */
export async function createWriterFolder(home: string): Promise<WriterFolder> {
  checkWritable(home)
  const { tmp } = homePaths(home)
  dropOldBegun(tmp)
  return createOwnedFolder(tmp, { beforeRemoval: folder => saveBegun(tmp, folder) })
}

/** Removes the folders of owners that died, but for their begun files, which are kept. */
export function removeDeadWriters(tmp: string, own: string): Promise<void> {
  return removeDeadFolders(tmp, own, { beforeRemoval: folder => saveBegun(tmp, folder) })
}

function saveBegun(tmp: string, folder: string): void {
  try {
    keepAllBegun(tmp, folder)
  } catch (error) {
    // Another process removed it meanwhile.
    if (systemCode(error) !== 'ENOENT') throw error
  }
}
