import type { Entry } from '../model/entry.js'
import { checkAborted, type WorkOptions } from '../store/progress.js'
import { walkFolder } from '../store/walk-folder.js'

interface EachFileOptions extends WorkOptions {
  /** Of the store. */
  home: string
  patterns: string[]
  refuseLinks: boolean
  /** Resolves when another file may be added. */
  ready: () => Promise<void>
  /** @param path the file's path below the folder. */
  add: (file: string, path: string) => Promise<Entry>
}

/**
 * Adds a folder file by file, for files that stay where they are.
 * @throws the first failure, once nothing is under way any more.
 */
export async function addEachFile(
  root: string,
  { home, patterns, refuseLinks, ready, add, signal, onProgress }: EachFileOptions,
): Promise<void> {
  const adding = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  let files = 0
  let bytes = 0
  for await (const { file, path } of walkFolder(root, patterns, { refuseLinks, home })) {
    if (failure || signal?.aborted) break
    await ready()
    const added = add(file, path)
      .then(({ size }) => {
        files += 1
        bytes += size
        onProgress?.({ step: 'add', files, bytes })
      })
      .catch(error => {
        failure ??= { error }
      })
      .finally(() => adding.delete(added))
    adding.add(added)
  }
  await Promise.all(adding)
  if (failure) throw failure.error
  checkAborted(signal)
}
