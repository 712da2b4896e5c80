import { readFileSync } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import { ArtifactError, systemCode } from '../errors.js'
import type { Machine } from './machine.js'

export interface ProtocolRange {
  min: number
  max: number
}

/** What a process tells of itself where it listens. */
export interface Announcement extends Machine {
  /** The path of its socket; from its folder, so that containers may mount that elsewhere. */
  address: string
  protocol: ProtocolRange
  pid: number
}

export function announcementPath(folder: string, role: string): string {
  return join(folder, `${role}.json`)
}

/**
 * What the process that listened last in this role told of itself; undefined if nobody did, and for
 * what is no JSON: the disk of a machine that stopped may have kept half of it.
 * @throws `STORE_DAMAGED` for anything else that no process writes.
 */
export function readAnnouncement(folder: string, role: string): Announcement | undefined {
  const file = announcementPath(folder, role)
  let told: unknown
  try {
    told = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
  const wrong = findWrongField((told ?? {}) as Record<string, unknown>)
  if (wrong === undefined) return told as Announcement
  const message = `${file} does not say which process listens there (${wrong}): remove it`
  throw new ArtifactError('STORE_DAMAGED', message, { details: { file, field: wrong } })
}

function findWrongField(told: Record<string, unknown>): keyof Announcement | undefined {
  const { address, protocol, pid, hostname, bootId } = told
  const { min, max } = (protocol ?? {}) as Record<string, unknown>
  if (!isCount(min) || !isCount(max)) return 'protocol'
  if (!isCount(pid) || pid === 0) return 'pid'
  if (typeof hostname !== 'string') return 'hostname'
  if (bootId !== null && typeof bootId !== 'string') return 'bootId'
  const isName = typeof address === 'string' && address !== '' && basename(address) === address
  return isName || (typeof address === 'string' && isAbsolute(address)) ? undefined : 'address'
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
