import type { ExternalFile } from '../catalog/catalog.js'
import { ArtifactError } from '../errors.js'
import { compareUtf8 } from '../model/artifact-path.js'
import type { Entry } from '../model/entry.js'

export interface AddRule {
  /** Place of the call among all adds: where two claim one path, the later one decides. */
  order: number
  /** Take the path over from an earlier add with other content. */
  overwrite: boolean
  /** Refuse a second source even if the content is the same. */
  exclusive: boolean
  /** Where the content came from, for messages. */
  source: string
  /** The file that holds the content, when it is not in the store. */
  external?: ExternalFile
}

type Row = { entry: Entry } & AddRule

/** The entries of an artifact that is being built, by path. */
export class EntryTable {
  readonly #rows = new Map<string, Row>()

  get size(): number {
    return this.#rows.size
  }

  /**
   * Puts an entry in. The same content at the same path changes nothing.
   * @throws `ENTRY_CONFLICT`, naming both sources.
   */
  set(entry: Entry, rule: AddRule): void {
    const other = this.#rows.get(entry.path)
    if (!other) {
      this.#rows.set(entry.path, { entry, ...rule })
      return
    }
    const [earlier, later] = other.order <= rule.order ? [other, rule] : [rule, other]
    const same = other.entry.digest === entry.digest && !(rule.exclusive && !later.overwrite)
    if (!same && !later.overwrite) throw conflict(entry.path, earlier.source, later.source)
    if (later === rule) this.#rows.set(entry.path, { entry, ...rule })
  }

  /** The files outside the store that entries stand for, in no order. */
  external(): ExternalFile[] {
    return [...this.#rows.values()].flatMap(({ external }) => external ?? [])
  }

  /**
   * The entries in ascending order of their paths in UTF-8.
   * @throws `ENTRY_CONFLICT` when one path is a folder of another.
   */
  sorted(): Entry[] {
    const entries = [...this.#rows.values()].map(({ entry }) => entry)
    entries.sort((a, b) => compareUtf8(a.path, b.path))
    let checked = ''
    for (const { path } of entries) {
      const folder = path.slice(0, path.lastIndexOf('/') + 1)
      if (folder !== checked) this.#checkFolders(path)
      checked = folder
    }
    return entries
  }

  #checkFolders(path: string): void {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const file = this.#rows.get(path.slice(0, at))
      const below = this.#rows.get(path)
      if (file && below) throw conflict(path.slice(0, at), file.source, below.source)
    }
  }
}

function conflict(path: string, first: string, second: string): ArtifactError {
  return new ArtifactError(
    'ENTRY_CONFLICT',
    `"${path}" comes from two sources: ${first} and ${second}`,
    { details: { path, sources: [first, second] } },
  )
}
