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
  /** What the open pack holds. */
  readonly #open = new Set<string>()
  #folder: WriterFolder | undefined
  #pack: PackWriter | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /** Adds a record to the open pack, unless that has it; finishes the pack when it is full. */
  async append({ key, bytes, encoding, checksum }: SinkRecord): Promise<void> {
    const name = blobKeyString(key)
    if (this.#open.has(name)) return
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
      return !this.#open.has(name) && this.#open.add(name)
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

  /** Makes the open pack durable and locatable. More may be added afterwards. */
  async finish(): Promise<void> {
    const pack = this.#pack
    if (!pack) return
    const { packId } = await pack.finish()
    this.#pack = undefined
    this.#open.clear()
    try {
      const { home } = this.#store
      publishFiles([{ from: pack.path, to: packPath(home, packId) }], home)
    } catch (error) {
      throw storeError(error, `storing the pack ${packId}`)
    }
    await this.#store.catalog.addPack(packId)
    this.packs.push(packId)
  }

  /** Drops what was not finished. */
  async close(): Promise<void> {
    await this.#pack?.abandon()
    this.#pack = undefined
    await this.#folder?.close()
  }

  async #finishFull({ size, count }: PackWriter): Promise<void> {
    if (size >= PACK_BYTES || count >= PACK_RECORDS) await this.finish()
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
