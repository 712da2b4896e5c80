import { setImmediate as yieldToLoop } from 'node:timers/promises'
import { freeMemory } from '../hash/free-memory.js'
import type { Hasher } from '../hash/hasher.js'
import { manifestDigestHeader, manifestDigestLine } from '../model/artifact-digest.js'
import { ByteBuffer } from '../model/byte-buffer.js'
import { hexOf } from '../model/digest.js'
import type { Entry, Piece } from '../model/entry.js'
import { type FileRun, isPlain, listRun, RunEncoder } from '../model/file-run.js'
import { encodeEntry, type PieceBytes, PieceCutter } from '../model/piece.js'
import type { Manifest } from '../model/version.js'
import type { Ingest } from './ingest.js'

/** Entries encoded before other work gets a turn: a few milliseconds, also before they are optimized. */
const TURN = 250
/** Room for the lines of a turn, to begin with. */
const LINES_BYTES = 64 * 1024
/** Pieces handed to the ingest at once: about 4 MiB. */
const PIECES_A_WRITE = 64

/**
 * Makes a manifest of entries that come in path order: cuts them into pieces, which it stores, and
 * takes the artifact digest. Holds a few pieces at a time.
 */
export class ManifestWriter {
  readonly #ingest: Pick<Ingest, 'addBytes'>
  readonly #hasher: Hasher
  readonly #cutter = new PieceCutter()
  readonly #pieces: Piece[] = []
  /** Pieces that are cut and not stored, with their places among all. */
  #waiting: (PieceBytes & { at: number })[] = []
  #placed = 0
  /** Lines under the artifact digest that were not hashed yet. */
  readonly #lines = new ByteBuffer(LINES_BYTES)
  #lineCount = 0
  #size = 0
  #fileCount = 0

  /** @param hasher its own until {@link end}. */
  constructor(ingest: Pick<Ingest, 'addBytes'>, hasher: Hasher) {
    this.#ingest = ingest
    this.#hasher = hasher
    hasher.update(manifestDigestHeader)
  }

  /**
   * @returns whether {@link turn} is due.
   * @throws `PIECE_INVALID` when the entry does not come after the one before, and as `encodeEntry`.
   */
  add(entry: Entry): boolean {
    this.#place(this.#cutter.push(encodeEntry(entry), entry.path))
    return this.#count(entry)
  }

  /** As {@link add}, of the files of a run, with turns where they are due. */
  async addRun(run: FileRun): Promise<void> {
    const { algorithm } = this.#hasher
    if (!isPlain(run)) {
      for (const entry of listRun(run, algorithm)) if (this.add(entry)) await this.turn()
      return
    }
    for (const files = new RunEncoder(run, algorithm); files.index < files.count; files.next()) {
      this.#place(this.#cutter.pushFile(files))
      this.#lines.length = files.writeDigestLine(
        this.#lines.reserve(files.room),
        this.#lines.length,
      )
      if (this.#countFile(files.size)) await this.turn()
    }
  }

  /**
   * Takes a piece of another manifest over as it is, if it would be cut the same way here.
   * @param entries what it lists, which come after all that were added.
   * @returns false, and nothing is done, when it would not.
   */
  async copy(piece: Piece, entries: Entry[]): Promise<boolean> {
    if (!this.#cutter.isEmpty) return false
    this.#pieces[this.#placed++] = piece
    for (const entry of entries) {
      if (this.#count(entry)) await this.turn()
    }
    return true
  }

  /** Stores what is due, and lets other work have a turn. */
  async turn(): Promise<void> {
    this.#hasher.update(this.#lines.bytes)
    this.#lines.length = 0
    this.#lineCount = 0
    if (this.#waiting.length >= PIECES_A_WRITE) await this.#store()
    await yieldToLoop()
  }

  async end(): Promise<Manifest> {
    await this.turn()
    this.#place(this.#cutter.end())
    if (this.#waiting.length > 0) await this.#store()
    return {
      algorithm: this.#hasher.algorithm,
      digest: hexOf(this.#hasher.digest()),
      size: this.#size,
      fileCount: this.#fileCount,
      pieces: this.#pieces,
    }
  }

  #count(entry: Entry): boolean {
    this.#lines.addText(manifestDigestLine(entry))
    return this.#countFile(entry.size)
  }

  #countFile(size: number): boolean {
    this.#size += size
    this.#fileCount += 1
    this.#lineCount += 1
    return this.#lineCount === TURN
  }

  #place(piece: PieceBytes | undefined): void {
    if (piece) this.#waiting.push({ ...piece, at: this.#placed++ })
  }

  async #store(): Promise<void> {
    const parts = this.#waiting
    this.#waiting = []
    const bytes = parts.map(part => part.bytes)
    const stored = await this.#ingest.addBytes('piece', bytes)
    parts.forEach(({ at, bytes, count }, index) => {
      this.#pieces[at] = { digest: stored[index]!.digest, size: bytes.length, count }
    })
    freeMemory(bytes)
  }
}
