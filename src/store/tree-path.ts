import { lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ArtifactError, systemCode } from '../errors.js'
import { isCanonicalPath } from '../model/artifact-path.js'

/**
 * The one place that turns a path of a manifest into a path of the file system. Manifests come
 * from anywhere: the path must be canonical, and every folder on the way must be a real folder
 * below the root, never a symbolic link that leads elsewhere.
 */
export class TreePaths {
  readonly root: string
  readonly #folders = new Set<string>([''])

  /** @param root an absolute path; it may be reached through links, what is below it may not. */
  constructor(root: string) {
    this.root = root
  }

  /**
   * The file for an entry. With `create`, missing folders are made.
   * @returns null, without `create`, when a folder on the way is missing.
   * @throws `INVALID_PATH` for a path that is not canonical; `CHECKOUT_CONFLICT` when a file or
   *   link stands where a folder must be.
   */
  resolve(path: string, { create = false } = {}): string | null {
    if (!isCanonicalPath(path)) {
      throw new ArtifactError(
        'INVALID_PATH',
        `not a path in an artifact: ${JSON.stringify(path)}`,
        {
          details: { path },
        },
      )
    }
    const slash = path.lastIndexOf('/')
    if (slash > 0 && !this.#enter(path.slice(0, slash), create)) return null
    return join(this.root, path)
  }

  #enter(folder: string, create: boolean): boolean {
    if (this.#folders.has(folder)) return true
    const slash = folder.lastIndexOf('/')
    if (slash > 0 && !this.#enter(folder.slice(0, slash), create)) return false
    const path = join(this.root, folder)
    if (create) makeFolder(path)
    try {
      if (!lstatSync(path).isDirectory()) throw conflict(path, 'is not a folder')
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false
      throw error
    }
    this.#folders.add(folder)
    return true
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

export function conflict(file: string, what: string): ArtifactError {
  return new ArtifactError('CHECKOUT_CONFLICT', `${file} ${what}`, { details: { file } })
}
