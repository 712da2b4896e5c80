import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { systemCode } from '../errors.js'

/** Where a process runs. Containers have a host name of their own and share the kernel's boot id. */
export interface Machine {
  hostname: string
  /** Random, new with each start of the kernel; null where the platform does not tell (macOS). */
  bootId: string | null
}

let here: Machine | undefined

export function thisMachine(): Machine {
  here ??= { hostname: hostname(), bootId: readBootId() }
  return here
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'EACCES') return null
    throw error
  }
}
