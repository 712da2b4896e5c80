import { randomBytes } from 'node:crypto'
import { lstatSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { storeError } from '../errors.js'

/** Makes names equal that a file system takes for one. */
export type Fold = (name: string) => string

/**
 * Finds out, by making a file in a folder and asking for it by other names, whether the file system
 * tells names apart that differ by case or by Unicode normal form.
 * @returns undefined if it tells all names apart.
 */
export function findFold(folder: string): Fold | undefined {
  const name = `.artifact-${randomBytes(6).toString('hex')}-\u00e4`
  const file = join(folder, name)
  const isThere = (other: string) =>
    lstatSync(join(folder, other), { throwIfNoEntry: false }) !== undefined
  try {
    writeFileSync(file, '', { flag: 'wx' })
    try {
      const foldsCase = isThere(name.toUpperCase())
      const foldsForm = isThere(name.normalize('NFD'))
      if (!foldsCase && !foldsForm) return undefined
      return text => {
        const cased = foldsCase ? text.toUpperCase().toLowerCase() : text
        return foldsForm ? cased.normalize('NFC') : cased
      }
    } finally {
      rmSync(file)
    }
  } catch (error) {
    throw storeError(error, `writing ${file}`)
  }
}

/** Finds names in one folder that fold to the same, in paths that come in the order of a manifest. */
export class NameClashes {
  readonly #fold: Fold
  /** The folders of the last path, outermost first, with the names that were met in each. */
  readonly #open: { name: string; names: Map<string, string> }[] = [{ name: '', names: new Map() }]

  constructor(fold: Fold) {
    this.#fold = fold
  }

  /** @returns the two paths, of files or of folders above them, if this one clashes with another. */
  add(path: string): [string, string] | undefined {
    const parts = path.split('/')
    let depth = 0
    while (depth < parts.length - 1 && this.#open[depth + 1]?.name === parts[depth]) depth += 1
    this.#open.length = depth + 1
    for (; depth < parts.length; depth += 1) {
      const name = parts[depth]!
      const { names } = this.#open[depth]!
      const folded = this.#fold(name)
      const other = names.get(folded)
      const above = parts.slice(0, depth)
      if (other !== undefined) return [[...above, other].join('/'), [...above, name].join('/')]
      names.set(folded, name)
      this.#open.push({ name, names: new Map() })
    }
    return undefined
  }
}
