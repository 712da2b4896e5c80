import { existsSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { HOST_ROLE } from '../catalog/catalog.js'
import { ArtifactError } from '../errors.js'
import { readAnnouncement } from '../ipc/announcement.js'
import { thisMachine } from '../ipc/machine.js'
import { homePaths } from '../model/home.js'

/**
 * Network file systems, by the `f_type` of Linux's statfs(2) (`linux/magic.h`): locks there may be
 * granted twice, and no socket reaches the other machine.
 */
const NETWORK: Record<number, string> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB',
  1397113167: 'AFS',
  1937076805: 'Coda',
  12805120: 'Ceph',
  198183888: 'Lustre',
  1196443219: 'GPFS',
  428016422: 'BeeGFS',
}

/**
 * What may be a disk of this machine or not: FUSE (0x65735546: ntfs-3g, virtiofs, but sshfs too)
 * and 9p (0x01021997: the disks of gVisor and of WSL, but also those of another machine).
 */
const UNSURE: ReadonlySet<number> = new Set([0x65735546, 0x01021997])

/**
 * Refuses a home on which no lock is to be trusted. On macOS a file system is not told by its
 * number, and nothing is refused.
 *
 * @param fileSystem the `f_type` of the home's file system. Default: as statfs(2) tells.
 * @throws `STORE_NOT_LOCAL` on a network file system; `STORE_ELSEWHERE` where it may be one and the
 *   last host, on another machine, did not end cleanly.
 */
export function checkHome(home: string, fileSystem = readType(home)): void {
  const network = NETWORK[fileSystem]
  if (network) {
    throw new ArtifactError('STORE_NOT_LOCAL', `${home} is on a network file system (${network})`, {
      details: { home, fileSystem: network },
    })
  }
  if (!UNSURE.has(fileSystem)) return
  const { host } = homePaths(home)
  const holder = readAnnouncement(host, HOST_ROLE)
  const here = thisMachine()
  if (!holder || holder.hostname === here.hostname || holder.bootId === here.bootId) return
  throw new ArtifactError(
    'STORE_ELSEWHERE',
    `${home} was served by process ${holder.pid} of ${holder.hostname}, which did not give it up, ` +
      `and locks may not reach that machine. If it is done there, remove ${host}/${HOST_ROLE}.json`,
    { details: { home, hostname: holder.hostname, pid: holder.pid } },
  )
}

/** 0, which is no file system's, where the number has another meaning than on Linux. */
function readType(home: string): number {
  if (process.platform !== 'linux') return 0
  let folder = home
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder)
  return statfsSync(folder).type
}
