import { chmodSync, lstatSync, mkdirSync, type Stats } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureFolder } from '../disk/publish.js'
import { ArtifactError, systemCode } from '../errors.js'

const OTHERS = 0o077

/** Whether a folder is there, belongs to this user and lets nobody else in. */
export function isPrivate(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && isOwn(stat) && (stat.mode & OTHERS) === 0
}

/**
 * Closes a folder of this user to everybody else (mode 0700). Whoever may look into one with
 * sockets may talk to their processes; whoever may write in it may answer in their place.
 *
 * @throws `STORE_FAILED` when it belongs to another user, or is no folder but a link, say.
 */
export function makePrivate(folder: string): void {
  const stat = lstatSync(folder)
  if (!stat.isDirectory()) {
    throw new ArtifactError('STORE_FAILED', `${folder} is not a folder; remove it`, {
      details: { folder },
    })
  }
  if (!isOwn(stat)) {
    throw new ArtifactError(
      'STORE_FAILED',
      `${folder} belongs to the user ${stat.uid}, and this process to ${ownUid()}: ` +
        'a store is used by one user',
      { details: { folder, uid: stat.uid } },
    )
  }
  if ((stat.mode & OTHERS) !== 0) chmodSync(folder, 0o700)
}

/** The private folder of this user under the temporary one. */
export function ensurePrivateTemporary(): string {
  const folder = join(tmpdir(), `artifactd-${ownUid()}`)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  makePrivate(folder)
  return folder
}

/** As `ensureFolder`, and private. */
export function ensurePrivateFolder(folder: string): void {
  ensureFolder(folder)
  makePrivate(folder)
}

/** The superuser may use everybody's. */
function isOwn({ uid }: Stats): boolean {
  return uid === ownUid() || ownUid() === 0
}

function ownUid(): number {
  return process.getuid?.() ?? 0
}
