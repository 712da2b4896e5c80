import { type BigIntStats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { ArtifactError } from '../errors.js'
import { fileError } from '../store/source-file.js'

/** A file that is read several times and must be the same each time. */
export class StableFile {
  /** Absolute. */
  readonly path: string
  readonly #first: BigIntStats

  /** @throws `FILE_NOT_FOUND`, `FILE_UNREADABLE`. */
  constructor(path: string) {
    this.path = resolve(path)
    this.#first = this.#stat()
  }

  /**
   * Passes on what a reader of the file yields.
   * @throws `FILE_CHANGED` when it is, or becomes meanwhile, another than it was at first;
   *   `FILE_NOT_FOUND`, `FILE_UNREADABLE`; otherwise as the reader.
   */
  async *read<T>(items: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    this.#expectSame()
    try {
      yield* items
    } catch (error) {
      this.#expectSame()
      throw (error as NodeJS.ErrnoException).syscall ? fileError(error, this.path) : error
    }
    this.#expectSame()
  }

  #expectSame(): void {
    const { ino, size, mtimeNs, ctimeNs } = this.#stat()
    const first = this.#first
    const isSame = ino === first.ino && size === first.size
    if (isSame && mtimeNs === first.mtimeNs && ctimeNs === first.ctimeNs) return
    throw new ArtifactError('FILE_CHANGED', `${this.path} changed after it was first read`, {
      details: { file: this.path },
    })
  }

  #stat(): BigIntStats {
    try {
      return statSync(this.path, { bigint: true })
    } catch (error) {
      throw fileError(error, this.path)
    }
  }
}
