import { randomBytes } from 'node:crypto'
import { closeSync, fdatasync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { publishFiles } from '../disk/publish.js'
import { storeError } from '../errors.js'
import { type BlobKey, blobKeyString } from '../model/blob-key.js'
import { objectPath, packPath } from '../model/home.js'
import type { Encoding } from '../pack/format.js'
import { PackWriter } from '../pack/pack-writer.js'
import type { RunRecord } from '../pack/parse-pack-stream.js'
import { PACK_BYTES, PACK_RECORDS } from './file-ingester.js'
import { sealObject } from './object-trust.js'
import type { Store } from './store.js'
import { createWriterFolder, type WriterFolder } from './writer-folder.js'

const flushFile = promisify(fdatasync)

/** A record to keep in a pack, as it is stored. */
export interface SinkRecord {
  key: BlobKey
  bytes: Uint8Array
  encoding: Encoding
  /** Of `bytes`, if it is known. */
  checksum?: number | undefined
}

/**
 * Writes records that were verified into a store, from one caller, a call at a time. Flushes run
 * off this thread. What is listed in `packs` and `objects` is durable and locatable.
 */
export class RecordSink {
  readonly packs: string[] = []
  readonly objects: BlobKey[] = []
  readonly #store: Store
  /** What the open pack holds, and the one before it until that is locatable. */
  #open = new Set<string>()
  #finishing = new Set<string>()
  /** Of the full pack; it never rejects. */
  #finished: Promise<void> = Promise.resolve()
  #failure: { error: unknown } | undefined
  #folder: WriterFolder | undefined
  #pack: PackWriter | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Adds a record to the open pack, unless that has it. A pack that is full is finished while the next is
   * filled; whether that failed, a later call tells.
   */
  async append({ key, bytes, encoding, checksum }: SinkRecord): Promise<void> {
    const name = blobKeyString(key)
    if (this.#holds(name)) return
    this.#pack ??= await this.#startPack()
    const { kind, digest, size: plainLength } = key
    await this.#pack.idle()
    this.#pack.append({ kind, digest, plainLength, encoding, bytes, checksum })
    this.#open.add(name)
    await this.#finishFull(this.#pack)
  }

  /** As `append`, of records that lie in `bytes` as they are stored. */
  async appendRun(bytes: Buffer, records: RunRecord[]): Promise<void> {
    const absent = records.filter(({ header }) => {
      const name = blobKeyString(header)
      return !this.#holds(name) && this.#open.add(name)
    })
    if (absent.length === 0) return
    this.#pack ??= await this.#startPack()
    await this.#pack.idle()
    this.#pack.appendEncoded(bytes, absent)
    await this.#finishFull(this.#pack)
  }

  /** Keeps bytes as a file of their own, if `parts` ends without an error. */
  async writeObject(key: BlobKey, parts: AsyncIterable<Uint8Array>): Promise<void> {
    const path = await this.#newPath('object')
    const doing = `writing the object ${key.digest}`
    const attempt = <T>(work: () => T): T => {
      try {
        return work()
      } catch (error) {
        throw storeError(error, doing)
      }
    }
    const fd = attempt(() => openSync(path, 'wx', 0o600))
    try {
      for await (const part of parts) attempt(() => writeFileSync(fd, part))
      attempt(() => sealObject(fd))
      await flushFile(fd).catch(error => {
        throw storeError(error, doing)
      })
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    } finally {
      closeSync(fd)
    }
    const { home } = this.#store
    attempt(() => publishFiles([{ from: path, to: objectPath(home, key.digest) }], home))
    await this.#store.catalog.addObjects([key])
    this.objects.push(key)
  }

  /** Makes all packs durable and locatable. More may be added afterwards. */
  async finish(): Promise<void> {
    await this.#finishBehind()
    await this.#finished
    if (this.#failure) throw this.#failure.error
  }

  /** Drops what was not finished. */
  async close(): Promise<void> {
    await this.#finished
    await this.#pack?.abandon()
    this.#pack = undefined
    await this.#folder?.close()
  }

  #holds(name: string): boolean {
    return this.#open.has(name) || this.#finishing.has(name)
  }

  async #finishFull({ size, count }: PackWriter): Promise<void> {
    if (size >= PACK_BYTES || count >= PACK_RECORDS) await this.#finishBehind()
  }

  /** Packs are finished one after another: a recipe comes after its chunks. */
  async #finishBehind(): Promise<void> {
    await this.#finished
    const pack = this.#pack
    if (this.#failure) throw this.#failure.error
    if (!pack) return
    this.#pack = undefined
    this.#finishing = this.#open
    this.#open = new Set()
    this.#finished = this.#finishPack(pack).then(
      () => this.#finishing.clear(),
      error => {
        this.#failure = { error }
      },
    )
  }

  async #finishPack(pack: PackWriter): Promise<void> {
    try {
      const { packId } = await pack.finish()
      try {
        const { home } = this.#store
        publishFiles([{ from: pack.path, to: packPath(home, packId) }], home)
      } catch (error) {
        throw storeError(error, `storing the pack ${packId}`)
      }
      await this.#store.catalog.addPack(packId)
      this.packs.push(packId)
    } finally {
      await pack.abandon()
    }
  }

  async #startPack(): Promise<PackWriter> {
    const packId = randomBytes(8).toString('hex')
    const path = await this.#newPath('pack', packId)
    return new PackWriter(path, { packId, storeId: this.#store.id })
  }

  async #newPath(ending: string, name = randomBytes(8).toString('hex')): Promise<string> {
    const { home } = this.#store
    this.#folder ??= await createWriterFolder(home).catch(error => {
      throw storeError(error, `writing in ${home}`)
    })
    return join(this.#folder.path, `${name}.${ending}`)
  }
}
