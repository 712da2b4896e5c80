import { openCatalog } from '../catalog/open-catalog.js'

export interface StoreLock {
  /**
   * Whether it is still held. Locks live in the store's host; when that died, this takes the lock
   * anew, and answers false if another was faster.
   */
  isHeld(): Promise<boolean>
  release(): Promise<void>
}

/**
 * Takes a lock among all processes, and all callers in this process, on the store at `home`. It
 * ends with `release` or with the process.
 *
 * @returns null when another holds it.
 */
export async function takeStoreLock(home: string, name: string): Promise<StoreLock | null> {
  // A connection of its own: locks are told apart by connection, and end with it.
  const own = openCatalog(home)
  try {
    if (await own.tryLock(name)) return { isHeld: () => own.tryLock(name), release: own.close }
  } catch (error) {
    await own.close()
    throw error
  }
  await own.close()
  return null
}
