import { createRequire } from 'node:module'
import { constants } from 'node:os'

/** From `dlfcn.h`: Node names other flags, not this one. */
const RTLD_NODELETE: Partial<Record<NodeJS.Platform, number>> = { linux: 0x1000, darwin: 0x80 }

const { cache } = createRequire(import.meta.url)

/**
 * Keeps LevelDB's native part in memory to the end of the process. Node unloads it with the last
 * worker thread that uses it, while LevelDB's own thread for compactions, which never ends, may still
 * be on its way from the last of them to sleep: then the process dies of SIGSEGV, after all was done.
 * To be called once the binding was loaded in this thread; again it changes nothing.
 */
export function pinBinding(): void {
  const flag = RTLD_NODELETE[process.platform]
  const file = Object.keys(cache).find(path => /classic-level[^/]*\.node$/.test(path))
  if (flag === undefined || file === undefined) return
  process.dlopen({ exports: {} }, file, constants.dlopen.RTLD_LAZY | flag)
}
