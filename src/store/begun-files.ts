import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { uptime } from 'node:os'
import { basename, join } from 'node:path'
import { systemCode } from '../errors.js'

/** How long a begun file is kept after its last byte. */
const KEEP_MS = 7 * 24 * 3600 * 1000
const BEGUN = /^([0-9a-f]{64})-[0-9a-f]{16}\.begun$/

/**
 * Beginnings of files that come from elsewhere outlive the process that fetches them. They lie in
 * the folder of their writer while it lives, and afterwards in `tmp/begun`, each under a name of 64
 * hex digits that says what it is the beginning of. Whoever goes on with one takes it away, so that
 * nobody else does.
 */
function begunFolder(tmp: string): string {
  return join(tmp, 'begun')
}

/** A new path in the folder of a writer for what the name says. */
export function begunPath(folder: string, name: string): string {
  return join(folder, `${name}-${randomBytes(8).toString('hex')}.begun`)
}

/**
 * Moves what is kept of a file to the path that `begunPath` gave for it.
 * @returns its length; 0, and no file, when there is nothing, or when the machine was started since: what it had
 *   not flushed when it stopped is lost then, and no length would tell.
 */
export function takeBegun(tmp: string, file: string): number {
  try {
    renameSync(join(begunFolder(tmp), nameOf(file)!), file)
    const { size, mtimeMs } = statSync(file)
    if (size > 0 && mtimeMs > Date.now() - uptime() * 1000) return size
    rmSync(file)
    return 0
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0
    throw error
  }
}

/** Keeps a file of `begunPath` for another attempt, by anybody. */
export function keepBegun(tmp: string, file: string): void {
  const folder = begunFolder(tmp)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    renameSync(file, join(folder, nameOf(file)!))
  } catch (error) {
    // It was not made yet, or another process does the same for a writer that died.
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

/** Keeps the begun files in the folder of a writer that ended. */
export function keepAllBegun(tmp: string, folder: string): void {
  for (const name of readdirSync(folder)) {
    if (nameOf(name) !== undefined) keepBegun(tmp, join(folder, name))
  }
}

/** Removes what nobody went on with for {@link KEEP_MS}. */
export function dropOldBegun(tmp: string): void {
  const folder = begunFolder(tmp)
  try {
    for (const name of readdirSync(folder)) {
      const file = join(folder, name)
      const stat = statSync(file, { throwIfNoEntry: false })
      if (stat && stat.mtimeMs < Date.now() - KEEP_MS) rmSync(file, { force: true })
    }
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

function nameOf(file: string): string | undefined {
  return BEGUN.exec(basename(file))?.[1]
}
