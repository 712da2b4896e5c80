import { ArtifactError } from '../errors.js'
import { foldersAbove } from '../model/artifact-path.js'

interface Removal {
  /** Place of the call among all adds and removals. */
  order: number
  /** The place of the last removal before it that covered the same path. */
  before: number
  /** Something was there to be removed. */
  found: boolean
}

/** Place of what was there before every call. */
export const BASE_ORDER = -1

/** Files and folders that were removed from an artifact under construction. */
export class Removals {
  readonly #removals = new Map<string, Removal>()

  get isEmpty(): boolean {
    return this.#removals.size === 0
  }

  /** Removes what calls before `order` put at a path or, as a folder, below it. */
  add(path: string, order: number): void {
    const others = [...this.#over(path)].map(other => other.order)
    this.#removals.set(path, { order, before: Math.max(BASE_ORDER - 1, ...others), found: false })
  }

  /** Whether what the call of this place put at a path was removed after it. */
  covers(path: string, order: number): boolean {
    if (this.isEmpty) return false
    let covered = false
    for (const removal of this.#over(path)) {
      if (removal.order < order) continue
      covered = true
      if (removal.before < order) removal.found = true
    }
    return covered
  }

  /** Whether the removal of a path covered any of what {@link covers} was asked about. */
  isFound(path: string): boolean {
    return this.#removals.get(path)?.found === true
  }

  /** @throws `ENTRY_NOT_FOUND` for a removal that covered nothing of what was asked about. */
  expectFound(name: string): void {
    for (const [path, { found }] of this.#removals) if (!found) throw removalError(path, name)
  }

  /** Those of a path and of the folders that it lies in. */
  *#over(path: string): Generator<Removal, void, undefined> {
    for (const covering of [path, ...foldersAbove(path)]) {
      const removal = this.#removals.get(covering)
      if (removal) yield removal
    }
  }
}

/** `ENTRY_NOT_FOUND`: nothing is there that could be removed. */
export function removalError(path: string, name: string): ArtifactError {
  const message = `"${path}" cannot be removed: "${name}" has no such file or folder`
  return new ArtifactError('ENTRY_NOT_FOUND', message, { details: { path, name } })
}
