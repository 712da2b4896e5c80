import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../errors.js'
import { connectTo, listenAt } from '../ipc/endpoint.js'
import { homePaths } from '../model/home.js'
import { dropOldBegun, keepAllBegun } from './begun-files.js'

const ROLE = 'writer'

export interface WriterFolder {
  path: string
  /** Removes the folder with whatever is left in it, but for begun files. */
  close(): Promise<void>
}

/**
 * Makes a folder under `tmp/` for the writes of one process, and listens on a socket in it: its
 * owner lives as long as that socket takes connections. Folders of owners that died are removed;
 * their begun files are kept for whoever goes on with them.
 */
export async function createWriterFolder(home: string): Promise<WriterFolder> {
  const { tmp } = homePaths(home)
  const path = join(tmp, randomBytes(6).toString('hex'))
  try {
    const endpoint = await listenAt(path, ROLE, socket => socket.end(), { keepAlive: false })
    await removeDeadWriters(tmp, path)
    dropOldBegun(tmp)
    return {
      path,
      close: async () => {
        await endpoint.close()
        removeWriter(tmp, path)
      },
    }
  } catch (error) {
    // Without an announcement it would count as alive for ever.
    rmSync(path, { recursive: true, force: true })
    throw error
  }
}

/** Removes the folders of owners that died, but for their begun files, which are kept. */
export async function removeDeadWriters(tmp: string, own: string): Promise<void> {
  for (const name of readdirSync(tmp)) {
    const path = join(tmp, name)
    if (path === own || (await isAlive(path))) continue
    removeWriter(tmp, path)
  }
}

function removeWriter(tmp: string, path: string): void {
  try {
    keepAllBegun(tmp, path)
  } catch (error) {
    // Another process removed it meanwhile.
    if (systemCode(error) !== 'ENOENT') throw error
  }
  rmSync(path, { recursive: true, force: true })
}

/** A folder without an announcement is alive too: its owner is just making it. */
async function isAlive(path: string): Promise<boolean> {
  try {
    const names = readdirSync(path)
    if (!names.includes(`${ROLE}.json`)) return true
    const socket = await connectTo(path, ROLE)
    socket?.destroy()
    return socket !== null
  } catch (error) {
    // Of another program's protocol nothing can be told, and a folder that is gone needs nothing.
    const code = systemCode(error)
    if (code === 'PROTOCOL_UNSUPPORTED' || code === 'ENOENT' || code === 'ENOTDIR') return true
    throw error
  }
}
