import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { isArtifactError, systemCode } from '../errors.js'
import { type Announcement, readAnnouncement } from './announcement.js'
import { connectTo, isListenedIn, listenAt } from './endpoint.js'
import { thisMachine } from './machine.js'

const ROLE = 'writer'
/** Names that {@link createOwnedFolder} gives. */
const NAME = /^[0-9a-f]{12}$/
/** A folder is announced within milliseconds; one that is not after so long never will be. */
const UNANNOUNCED_MS = 24 * 3600 * 1000
/** Errors after which a folder is left alone. */
const UNTOLD = new Set(['PROTOCOL_UNSUPPORTED', 'STORE_BUSY', 'ENOENT', 'ENOTDIR'])

export interface OwnedFolder {
  path: string
  /** Removes the folder with whatever is left in it. */
  close(): Promise<void>
}

export interface OwnedFolderOptions {
  /** Called with a folder, of this process or a dead one, before it is removed. */
  beforeRemoval?: (path: string) => void
}

/**
 * Makes a folder under `parent` for this process, and listens on a socket in it: its owner lives as
 * long as that socket takes connections. Folders of owners that died are removed.
 */
export async function createOwnedFolder(
  parent: string,
  options: OwnedFolderOptions = {},
): Promise<OwnedFolder> {
  const path = join(parent, randomBytes(6).toString('hex'))
  try {
    const endpoint = await listenAt(path, ROLE, socket => socket.end(), { keepAlive: false })
    await removeDeadFolders(parent, path, options)
    return {
      path,
      close: async () => {
        await endpoint.close()
        options.beforeRemoval?.(path)
        rmSync(path, { recursive: true, force: true })
      },
    }
  } catch (error) {
    // Without an announcement it would count as alive for ever.
    rmSync(path, { recursive: true, force: true })
    throw error
  }
}

/** Removes the folders under `parent`, except for `own`, whose owners died. */
export async function removeDeadFolders(
  parent: string,
  own: string,
  { beforeRemoval }: OwnedFolderOptions = {},
): Promise<void> {
  for (const name of readdirSync(parent)) {
    const path = join(parent, name)
    if (!NAME.test(name)) continue
    if (path === own || (await isAlive(path))) continue
    beforeRemoval?.(path)
    rmSync(path, { recursive: true, force: true })
  }
}

/**
 * A folder without an announcement is alive too, for a day: its owner is just making it. So is one of
 * another machine, or of a container whose socket cannot be seen from here: only there it can be told.
 */
async function isAlive(path: string): Promise<boolean> {
  try {
    const announcement = findAnnouncement(path)
    if (!announcement) return isNew(path) || (await isListenedIn(path))
    const { hostname, bootId } = thisMachine()
    const visible = announcement.bootId === bootId && !isAbsolute(announcement.address)
    if (announcement.hostname !== hostname && !visible) return true
    const peer = await connectTo(path, ROLE)
    peer?.socket.destroy()
    return peer !== null
  } catch (error) {
    // Of another program's protocol nothing can be told, nor of a process that is stopped, and a
    // folder that is gone needs nothing.
    const code = systemCode(error) ?? ''
    if (UNTOLD.has(code)) return true
    throw error
  }
}

/** One that is damaged says as little as none. */
function findAnnouncement(path: string): Announcement | undefined {
  try {
    return readAnnouncement(path, ROLE)
  } catch (error) {
    if (isArtifactError(error, 'STORE_DAMAGED')) return undefined
    throw error
  }
}

function isNew(path: string): boolean {
  return statSync(path).mtimeMs > Date.now() - UNANNOUNCED_MS
}
