import { ArtifactError, isArtifactError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { parseDigest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import type { Version } from '../model/version.js'
import type { Remote, RemoteVersion } from '../remote/remote.js'
import { holdContent } from '../store/hold-content.js'
import { pieceKey } from '../store/load-piece.js'
import { readPiece } from '../store/manifest.js'
import { ManifestChecker } from '../store/manifest-checker.js'
import { checkAborted, type WorkOptions } from '../store/progress.js'
import type { Store } from '../store/store.js'
import { checkRemoteVersion } from './check-remote-version.js'
import { expectSameVersion } from './expect-same-version.js'
import { fetchBlobs, listAbsent } from './fetch-blobs.js'

/** Pieces whose entries are held at once: about 40,000 entries. */
const PIECES_A_GROUP = 64
/** Bytes between two calls of `onProgress`. */
const REPORT_BYTES = 1024 * 1024
/** How often a pull begins again because bytes were removed during it. */
const ATTEMPTS = 3

export interface PullOptions extends WorkOptions {
  /** Default: the clock of the system. */
  clock?: () => Date
  /** Leave the files where they are: only pieces are fetched. Default false. */
  manifestOnly?: boolean
}

/**
 * Brings a version of a remote into the store: pieces and blobs that are not here, every byte
 * verified; then, and only then, the version appears in the catalog. Repeating it fetches nothing
 * again; after a cut it goes on with what is missing.
 *
 * `downloadedBytes` are the plain bytes that came, pieces included. Totals of the progress grow
 * while pieces are read.
 *
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED`, naming the path, when the remote cannot give a file;
 *   `REMOTE_INVALID` when the version, its pieces and their digests do not fit together, or an id
 *   is used for something else here; `TYPE_CONFLICT`; and as `Remote`.
 */
export async function pullVersion(
  store: Store,
  remote: Remote,
  found: RemoteVersion,
  options: PullOptions = {},
): Promise<{ downloadedBytes: number }> {
  const { clock = () => new Date(), manifestOnly = false } = options
  const asOf = clock().toISOString()
  const version = checkRemoteVersion(remote, found.version)
  const known = await store.catalog.getVersion(version.id)
  if (known) expectSameVersion(remote, known, version)
  const pull = new Pull(store, remote, { ...options, entity: version.entity })
  const release = holdContent(store)
  try {
    for (let attempt = 1; ; attempt += 1) {
      const { epoch } = await store.catalog.describe()
      await pull.fetchPieces(version)
      if (!manifestOnly) await pull.fetchFiles(version)
      const bytes = await checkContent(store, remote, { version, manifestOnly })
      const rest = manifestOnly ? { manifestOnly } : { epoch }
      const content = { version, ...bytes, ...rest }
      try {
        await store.catalog.import({ ...content, storeId: found.storeId, asOf })
        break
      } catch (error) {
        // Something turned out damaged meanwhile, and is fetched like anything else that is not here.
        if (!isArtifactError(error, 'BLOB_MISSING') || attempt === ATTEMPTS) throw error
      }
    }
  } finally {
    release()
  }
  return { downloadedBytes: pull.bytes }
}

/**
 * Brings what is not here of the files of a version that is in the catalog, although the remote need
 * not know it: it has those of the base. @returns the bytes that came. @throws as `pullVersion`.
 */
export async function pullFiles(
  store: Store,
  remote: Remote,
  version: Version,
  options: WorkOptions = {},
): Promise<number> {
  const pull = new Pull(store, remote, { ...options, entity: version.entity })
  const release = holdContent(store)
  try {
    await pull.fetchFiles(version)
  } finally {
    release()
  }
  return pull.bytes
}

type Checked = Omit<Version, 'state'>

class Pull {
  readonly #store: Store
  readonly #remote: Remote
  readonly #options: WorkOptions & { entity: string }
  #reported = 0
  #files = 0
  #totalBytes = 0
  bytes = 0

  constructor(store: Store, remote: Remote, options: WorkOptions & { entity: string }) {
    this.#store = store
    this.#remote = remote
    this.#options = options
  }

  async fetchPieces(version: Checked): Promise<void> {
    const pieces = new Map(version.pieces.map(piece => [piece.digest, pieceKey(piece)]))
    await this.#fetch([...pieces.values()], ({ digest }) => `the manifest piece ${digest}`)
  }

  async fetchFiles(version: Checked): Promise<void> {
    for (let start = 0; start < version.pieces.length; start += PIECES_A_GROUP) {
      const group = version.pieces.slice(start, start + PIECES_A_GROUP)
      await this.#fetchGroup(group)
      this.#files += group.reduce((sum, { count }) => sum + count, 0)
      this.#report(version.fileCount)
    }
  }

  async #fetchGroup(pieces: Piece[]): Promise<void> {
    const keys = new Map<string, BlobKey>()
    const paths = new Map<string, string>()
    for (const piece of pieces) {
      checkAborted(this.#options.signal)
      for (const { path, digest, size, ref } of await readPiece(this.#store, piece)) {
        if (ref !== undefined) continue
        const key: BlobKey = { kind: 'blob', digest: parseDigest(digest), size }
        const name = blobKeyString(key)
        if (keys.has(name)) continue
        keys.set(name, key)
        paths.set(name, path)
      }
    }
    await this.#fetch([...keys.values()], key => paths.get(blobKeyString(key)) ?? key.digest)
  }

  async #fetch(keys: BlobKey[], nameOf: (key: BlobKey) => string): Promise<void> {
    const absent = await listAbsent(this.#store, keys)
    for (const { size } of absent) this.#totalBytes += size
    const { entity, signal } = this.#options
    await fetchBlobs(this.#store, this.#remote, absent, {
      entity,
      signal,
      nameOf,
      onBytes: bytes => {
        this.bytes += bytes
        if (this.bytes - this.#reported >= REPORT_BYTES) this.#report()
      },
      onSaved: bytes => {
        this.#totalBytes -= bytes
      },
    })
  }

  #report(totalFiles?: number): void {
    this.#reported = this.bytes
    this.#options.onProgress?.({
      step: 'download',
      files: this.#files,
      bytes: this.bytes,
      totalBytes: this.#totalBytes,
      ...(totalFiles !== undefined && { totalFiles }),
    })
  }
}

/** Where the bytes of the version lie, all of which, or all of its pieces, must be here. */
async function checkContent(
  store: Store,
  remote: Remote,
  { version, manifestOnly }: { version: Checked; manifestOnly: boolean },
) {
  let reason: unknown
  try {
    const { lacking, packs, objects } = await new ManifestChecker(store).check(version, {
      piecesOnly: manifestOnly,
    })
    if (lacking.length === 0) return { packs, objects }
    reason = new Error(`the piece ${lacking[0]} does not fit its files`)
  } catch (error) {
    // The pieces verify, so that what is wrong with them is the fault of whoever made them.
    const isContent =
      isArtifactError(error, 'PIECE_INVALID') || isArtifactError(error, 'REQUEST_INVALID')
    if (!isContent) throw error
    reason = error
  }
  const message = `the remote answered a broken version: ${(reason as Error).message}`
  throw new ArtifactError('REMOTE_INVALID', message, {
    cause: reason,
    details: { url: remote.url, id: version.id },
  })
}
