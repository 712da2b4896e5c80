import pLimit from 'p-limit'
import { ArtifactError, isArtifactError } from '../errors.js'
import { foldersAbove } from '../model/artifact-path.js'
import { MAX_OBJECTS, nameFound } from './name-found.js'
import type { OpenHandler } from './open-handler.js'
import type { ReferenceEntry } from './reference-handler.js'

/** Listings at a time. */
const PARALLEL = 16

/** What one reference of a version stands for now. */
export interface ReferenceFiles {
  entry: ReferenceEntry
  /** The entry itself or, where it was added without checksum, what was found instead. */
  files: ReferenceEntry[]
  /** Why nothing was found. */
  error?: ArtifactError
}

/**
 * What the references of a version stand for. One to a bucket that was added without checksum says
 * only where to look: it is the object there or, as files below the path of the entry, every
 * object of the prefix, at most {@link MAX_OBJECTS}. Each is looked for once, so that the answers
 * of one instance stay the same. Any other reference stands for itself.
 */
export class ReferenceExpander {
  readonly #openHandler: OpenHandler
  readonly #known = new Map<string, ReferenceFiles>()
  readonly #folders = new Set<string>()
  readonly #limit = pLimit(PARALLEL)

  constructor(openHandler: OpenHandler) {
    this.#openHandler = openHandler
  }

  /** In the order of the entries. @throws `INTERRUPTED`; what is not a coded error. */
  expand(
    entries: ReferenceEntry[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<ReferenceFiles[]> {
    return Promise.all(
      entries.map(async entry => {
        if (entry.digest !== entry.ref) return { entry, files: [entry] }
        const known = this.#known.get(entry.path)
        if (known) return known
        const expanded = await this.#limit(() => this.#lookFor(entry, signal))
        const [first] = expanded.files
        if (first !== entry) this.#known.set(entry.path, expanded)
        if (first && first.path !== entry.path) this.#folders.add(entry.path)
        return expanded
      }),
    )
  }

  /** Some reference became a folder. */
  get hasFolders(): boolean {
    return this.#folders.size > 0
  }

  /** The path of the reference that became a folder in which this path lies, if one did. */
  folderAbove(path: string): string | undefined {
    for (const folder of foldersAbove(path)) if (this.#folders.has(folder)) return folder
    return undefined
  }

  async #lookFor(entry: ReferenceEntry, signal?: AbortSignal): Promise<ReferenceFiles> {
    const { ref, path: name } = entry
    try {
      const handler = await this.#openHandler(ref)
      if (!handler.expand) return { entry, files: [entry] }
      const files: ReferenceEntry[] = []
      const found = handler.expand(ref, { signal })
      for await (const file of nameFound(ref, found, { name, signal })) files.push(file)
      checkTree(entry, files)
      return { entry, files }
    } catch (error) {
      if (!(error instanceof ArtifactError) || error.code === 'INTERRUPTED') throw error
      return {
        entry,
        files: [],
        error: isArtifactError(error, 'TOO_MANY_OBJECTS') ? tooMany(entry, error) : error,
      }
    }
  }
}

/** @throws `ENTRY_CONFLICT` when one key is a folder of another: both cannot be files. */
function checkTree({ ref }: ReferenceEntry, files: ReferenceEntry[]): void {
  const folders = new Set(files.flatMap(({ path }) => [...foldersAbove(path)]))
  for (const { path } of files) {
    if (!folders.has(path)) continue
    throw new ArtifactError('ENTRY_CONFLICT', `below ${ref} "${path}" is an object and a folder`, {
      details: { path, uri: ref },
    })
  }
}

function tooMany({ ref }: ReferenceEntry, { details }: ArtifactError): ArtifactError {
  const message =
    `${ref} has more than ${MAX_OBJECTS} objects, the most of one that was added without checksum; ` +
    'add it with checksum, and raise maxObjects (--max-objects)'
  return new ArtifactError('TOO_MANY_OBJECTS', message, { details })
}
