import { watch } from 'chokidar'
import { ensureFolder } from '../src/disk/publish.js'
import { homePaths } from '../src/model/home.js'

export interface JournalWatch {
  close(): Promise<void>
}

/**
 * Calls `onChange` when a process appended to the journal of a store. Events may be lost, also all
 * of them: `onError` hears of it where the system tells.
 */
export function watchJournal(
  home: string,
  onChange: () => void,
  { onError }: { onError: (error: unknown) => void },
): JournalWatch {
  const { journal } = homePaths(home)
  ensureFolder(journal)
  const watcher = watch(journal, { ignoreInitial: true, depth: 0 })
  watcher.on('add', onChange)
  watcher.on('change', onChange)
  // Of two appends within about 50 ms, "change" tells the first only.
  watcher.on('raw', onChange)
  watcher.on('error', onError)
  return { close: () => watcher.close() }
}
