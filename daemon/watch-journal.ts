import { watch } from 'chokidar'
import { ensureFolder } from '../src/disk/publish.js'
import { homePaths } from '../src/model/home.js'

/**
 * A record is on its way when its event comes: the catalog lists it after a flush, which takes from
 * milliseconds to seconds. So the bell rings again, so many milliseconds after the last event.
 */
const ECHOES_MS = [100, 1000, 5000]

export interface JournalWatch {
  close(): Promise<void>
}

/**
 * Calls `onChange` when a process appends to the journal of a store, at once and again a little
 * later. Events may be lost, also all of them: `onError` hears of it where the system tells.
 */
export function watchJournal(
  home: string,
  onChange: () => void,
  { onError }: { onError: (error: unknown) => void },
): JournalWatch {
  const { journal } = homePaths(home)
  ensureFolder(journal)
  const watcher = watch(journal, { ignoreInitial: true, depth: 0 })
  let echoes: NodeJS.Timeout[] = []
  const silence = () => {
    for (const echo of echoes) clearTimeout(echo)
  }
  const ring = () => {
    silence()
    echoes = ECHOES_MS.map(delay => setTimeout(onChange, delay))
    onChange()
  }
  watcher.on('add', ring)
  watcher.on('change', ring)
  // Of two appends within about 50 ms, "change" tells the first only.
  watcher.on('raw', ring)
  watcher.on('error', onError)
  return {
    close: async () => {
      await watcher.close()
      silence()
    },
  }
}
