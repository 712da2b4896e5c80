import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { storeError, systemCode } from '../errors.js'
import { compareUtf8 } from '../model/artifact-path.js'
import { isDigest } from '../model/digest.js'
import { homePaths } from '../model/home.js'
import type { CheckTask } from './check-bytes.js'

export interface StoredFile {
  /** Bytes on disk. */
  size: number
  task: CheckTask
}

/** The packs and objects of a store, in the order of their paths. */
export function listStoredFiles(home: string): StoredFile[] {
  const { packs, objects } = homePaths(home)
  const files = [...listFiles(packs), ...listFiles(objects)].flatMap((entry): StoredFile[] => {
    const file = join(entry.parentPath, entry.name)
    const path = relative(home, file)
    const packId = /^packs\/..\/([0-9a-f]{16})\.pack$/.exec(path)?.[1]
    const [, algorithm, hex] = /^objects\/([^/]+)\/..\/([^/]+)$/.exec(path) ?? []
    const digest = `${algorithm}:${hex}`
    const stat = statSync(file, { throwIfNoEntry: false })
    // What was moved away since the folder was read.
    if (!stat) return []
    const { size } = stat
    if (packId) return [{ size, task: { do: 'pack', path, packId } }]
    return isDigest(digest) ? [{ size, task: { do: 'object', path, digest, size } }] : []
  })
  return files.sort((a, b) => compareUtf8(a.task.path, b.task.path))
}

function listFiles(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry =>
      entry.isFile(),
    )
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw storeError(error, `reading ${folder}`)
  }
}
