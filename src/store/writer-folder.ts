import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../errors.js'
import { connectTo, listenAt } from '../ipc/endpoint.js'
import { homePaths } from '../model/home.js'

const ROLE = 'writer'

export interface WriterFolder {
  path: string
  /** Removes the folder with whatever is left in it. */
  close(): Promise<void>
}

/**
 * Makes a folder under `tmp/` for the writes of one process, and listens on a socket in it: its
 * owner lives as long as that socket takes connections. Folders of owners that died are removed.
 */
export async function createWriterFolder(home: string): Promise<WriterFolder> {
  const { tmp } = homePaths(home)
  const path = join(tmp, randomBytes(6).toString('hex'))
  try {
    const endpoint = await listenAt(path, ROLE, socket => socket.end(), { keepAlive: false })
    await removeDeadWriters(tmp, path)
    return {
      path,
      close: async () => {
        await endpoint.close()
        rmSync(path, { recursive: true, force: true })
      },
    }
  } catch (error) {
    // Without an announcement it would count as alive for ever.
    rmSync(path, { recursive: true, force: true })
    throw error
  }
}

async function removeDeadWriters(tmp: string, own: string): Promise<void> {
  for (const name of readdirSync(tmp)) {
    const path = join(tmp, name)
    if (path === own || (await isAlive(path))) continue
    rmSync(path, { recursive: true, force: true })
  }
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
