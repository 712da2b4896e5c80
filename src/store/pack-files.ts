import { closeSync, openSync } from 'node:fs'
import type { BlobKey } from '../model/blob-key.js'
import { packPath } from '../model/home.js'
import type { Encoding } from '../pack/format.js'
import { readRecord } from '../pack/read-record.js'
import { blobError } from './read-blob.js'

export interface PackPlace {
  packId: string
  offset: number
  storedLength: number
  encoding: Encoding
}

/** Reads records of packs; keeps the pack open from which the last one was read. */
export class PackFiles {
  readonly #home: string
  #open: { packId: string; fd: number } | undefined

  constructor(home: string) {
    this.#home = home
  }

  /**
   * The stored bytes of a record, its checksums verified.
   * @throws `BLOB_MISSING` or `BLOB_DAMAGED`.
   */
  read(key: BlobKey, place: PackPlace): Buffer {
    try {
      return readRecord(this.#openPack(place.packId), { key, ...place })
    } catch (error) {
      throw blobError(error, key)
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd)
    this.#open = undefined
  }

  #openPack(packId: string): number {
    if (this.#open?.packId !== packId) {
      this.close()
      this.#open = { packId, fd: openSync(packPath(this.#home, packId), 'r') }
    }
    return this.#open!.fd
  }
}
