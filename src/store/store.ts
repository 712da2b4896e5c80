import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Catalog } from '../catalog/catalog.js'
import { type OpenCatalog, openCatalog } from '../catalog/open-catalog.js'
import type { HostPlace } from '../catalog/own-host.js'
import { ensureFolder, syncFolder } from '../disk/publish.js'
import { ArtifactError, storeError, systemCode } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import { type Algorithm, isAlgorithm } from '../model/digest.js'
import { homePaths } from '../model/home.js'
import { checkHome } from './check-home.js'
import { Ingest } from './ingest.js'

/** The format of everything under a home that `docs/format.md` describes. */
const FORMAT_VERSION = 1

interface StoreFile {
  format: number
  id: string
  algorithm: Algorithm
  createdAt: string
  /** Of what else must not change unseen; absent in stores that were made before there was one. */
  checksum?: string
}

export interface StoreOptions {
  /** The digest of a store that is made now. Default xxh128; an existing store keeps its own. */
  algorithm?: Algorithm
  /** Where this process serves the catalog, should it become the host. Default: a worker thread. */
  hostPlace?: HostPlace | undefined
}

/**
 * Brings blobs and pieces that are not here into the store from elsewhere, verified, as far as they
 * can be had there.
 * @throws a coded error that says why some could not be had; the others are here all the same.
 */
export type Healer = (keys: BlobKey[], options: { signal?: AbortSignal }) => Promise<void>

/**
 * A catalog and the bytes it points to. Any number may be open on one home, in any number of
 * processes. It lets the process end when nothing is under way.
 */
export class Store {
  readonly home: string
  /** 32 hex digits, random, given when the store was made. */
  readonly id: string
  readonly algorithm: Algorithm
  readonly catalog: Catalog
  /** Asked by readers for what turns out damaged or missing. Default: nobody is. */
  healer: Healer | undefined
  readonly #open: OpenCatalog
  #ingest: Ingest | undefined
  #closing: Promise<void> | undefined
  readonly #onIdle = () => void this.close()

  constructor(home: string, { id, algorithm }: StoreFile, hostPlace?: HostPlace) {
    this.home = home
    this.id = id
    this.algorithm = algorithm
    this.#open = openCatalog(home, { hostPlace })
    this.catalog = this.#open.catalog
    process.once('beforeExit', this.#onIdle)
  }

  /** The ingest that this process shares; a new one after a failure. */
  ingest(): Ingest {
    if (this.#ingest?.failure !== undefined) {
      void this.#ingest.close()
      this.#ingest = undefined
    }
    this.#ingest ??= new Ingest({
      home: this.home,
      storeId: this.id,
      algorithm: this.algorithm,
      catalog: this.catalog,
    })
    return this.#ingest
  }

  /** See `OpenCatalog.onNewHost`. */
  onNewHost(listener: () => void): () => void {
    return this.#open.onNewHost(listener)
  }

  get closed(): boolean {
    return this.#closing !== undefined
  }

  /** Ends what this process holds of the store. A second call waits for the first. */
  close(): Promise<void> {
    process.removeListener('beforeExit', this.#onIdle)
    this.#closing ??= (async () => {
      await this.#ingest?.close()
      await this.#open.close()
    })()
    return this.#closing
  }
}

/**
 * Opens the store at `home`, an absolute path, and makes it if there is none.
 *
 * @throws `STORE_NOT_LOCAL` or `STORE_ELSEWHERE` for a home on which no lock is to be trusted;
 *   `STORE_UNSUPPORTED` for a format that this program does not know; `INVALID_CONFIG` when
 *   `algorithm` is given and the store has another; `PLATFORM_UNSUPPORTED` outside of Linux and
 *   macOS.
 */
export function openStore(home: string, { algorithm, hostPlace }: StoreOptions = {}): Store {
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    throw new ArtifactError(
      'PLATFORM_UNSUPPORTED',
      `artifactd runs on Linux and macOS, not on ${process.platform}`,
    )
  }
  checkHome(home)
  const path = homePaths(home).store
  let file = readStoreFile(path)
  if (!file) {
    createStoreFile(home, algorithm ?? 'xxh128')
    file = readStoreFile(path)
  }
  if (!file) throw new ArtifactError('STORE_FAILED', `cannot make a store in ${home}`)
  if (algorithm !== undefined && algorithm !== file.algorithm) {
    throw new ArtifactError(
      'INVALID_CONFIG',
      `the store in ${home} has the digest ${file.algorithm}, which cannot become ${algorithm}`,
      { details: { home, algorithm: file.algorithm, given: algorithm } },
    )
  }
  return new Store(home, file, hostPlace)
}

function readStoreFile(path: string): StoreFile | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw storeError(error, `reading ${path}`)
  }
  let file: Partial<StoreFile>
  try {
    file = (JSON.parse(text) ?? {}) as Partial<StoreFile>
  } catch (error) {
    const details = { path }
    throw new ArtifactError('STORE_DAMAGED', `${path} is not JSON`, { cause: error, details })
  }
  if (file.format !== FORMAT_VERSION) {
    throw new ArtifactError(
      'STORE_UNSUPPORTED',
      `${path} has the format ${file.format}; this program knows ${FORMAT_VERSION}`,
      { details: { path, format: file.format, supported: FORMAT_VERSION } },
    )
  }
  if (!/^[0-9a-f]{32}$/.test(file.id ?? '') || !isAlgorithm(file.algorithm)) {
    const details = { path }
    throw new ArtifactError('STORE_DAMAGED', `${path} lacks an id or a digest algorithm`, {
      details,
    })
  }
  const known = file as StoreFile
  if (known.checksum !== undefined && known.checksum !== checksumOf(known)) {
    const message = `${path} is damaged: its checksum differs`
    throw new ArtifactError('STORE_DAMAGED', message, { details: { path } })
  }
  return known
}

function checksumOf({ id, algorithm }: Pick<StoreFile, 'id' | 'algorithm'>): string {
  return crc32(`${id} ${algorithm}`).toString(16).padStart(8, '0')
}

/** Made under another name and linked, so that of two processes one wins and both read it whole. */
function createStoreFile(home: string, algorithm: Algorithm): void {
  const { store } = homePaths(home)
  const id = randomBytes(16).toString('hex')
  const file: StoreFile = {
    format: FORMAT_VERSION,
    id,
    algorithm,
    createdAt: new Date().toISOString(),
    checksum: checksumOf({ id, algorithm }),
  }
  const temporary = join(home, `store.json.${id}`)
  try {
    ensureFolder(home)
    writeFileSync(temporary, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600, flush: true })
    try {
      linkSync(temporary, store)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    } finally {
      rmSync(temporary, { force: true })
    }
    syncFolder(home)
  } catch (error) {
    throw storeError(error, `making a store in ${home}`)
  }
}
