import { statSync } from 'node:fs'
import { resolve } from 'node:path'

/** One for this thread, whatever copies of the program are loaded into it. */
const HOMES = Symbol.for('artifactd.hosted-homes')

/**
 * Marks a home for which this process becomes the host, or tries to. The lock of a LevelDB is one of
 * fcntl(2): it belongs to the process, and is lost when any descriptor of the file is closed there.
 * LevelDB opens and closes one to find out that its own process has the lock already (`LockFile` in
 * util/env_posix.cc). So a second attempt would take the lock from the first, unseen, and another
 * process would become a second host.
 *
 * @returns what takes the mark away; null when there is one.
 */
export function markHosted(home: string): (() => void) | null {
  const scope = globalThis as { [HOMES]?: Set<string> }
  scope[HOMES] ??= new Set()
  const homes = scope[HOMES]
  const key = identify(home)
  if (homes.has(key)) return null
  homes.add(key)
  return () => void homes.delete(key)
}

/** The same for every path that leads to a folder. */
function identify(home: string): string {
  const stat = statSync(home, { bigint: true, throwIfNoEntry: false })
  return stat ? `${stat.dev}:${stat.ino}` : resolve(home)
}
