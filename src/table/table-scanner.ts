import { ArtifactError } from '../errors.js'

/** A row, as JSON, or another member of the table's object, as `"key": value`. */
export type TablePart = { row: string } | { member: string }

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Of the table's object it is 1, within the list of its rows 2. */
const ROWS_DEPTH = 2

const BLANK = /^\s*$/
const DATA = /^\s*"data"\s*:\s*$/

/**
 * Cuts the JSON of a table into its rows and other members, in whatever order they come, holding
 * one of them at a time. Only brackets and commas are looked at: whether a part is JSON, whoever
 * reads it finds out.
 */
export class TableScanner {
  #depth = 0
  #inText = false
  #escaped = false
  #inData = false
  #ended = false
  /** What earlier chunks had of the part in progress. */
  #held: Uint8Array[] = []
  readonly #name: string

  /** @param name what messages call the table: its path, say. */
  constructor(name: string) {
    this.#name = name
  }

  /**
   * Takes the next bytes and answers the parts that end in them.
   * @throws `INVALID_TABLE` for what is not one object.
   */
  push(bytes: Uint8Array): TablePart[] {
    const parts: TablePart[] = []
    let start = 0
    const cut = (end: number): string => {
      const text = this.#take(bytes.subarray(start, end))
      start = end + 1
      return text
    }
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at]!
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inText = false
        continue
      }
      switch (byte) {
        case QUOTE:
          this.#inText = true
          break
        case OPEN_BRACE:
        case OPEN_BRACKET:
          this.#depth += 1
          if (this.#depth === 1) this.#begin(byte, cut(at))
          if (this.#depth !== ROWS_DEPTH || byte !== OPEN_BRACKET) break
          this.#inData = DATA.test(this.#text(bytes.subarray(start, at)))
          if (this.#inData) cut(at)
          break
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
          this.#depth -= 1
          if (this.#depth === 0) this.#end(byte, parts, cut(at))
          if (this.#depth < 0) throw this.#refuse()
          if (this.#depth !== 1 || !this.#inData) break
          if (byte !== CLOSE_BRACKET) throw this.#refuse()
          push(parts, 'row', cut(at))
          this.#inData = false
          break
        case COMMA:
          if (this.#depth === 1) push(parts, 'member', cut(at))
          if (this.#depth === ROWS_DEPTH && this.#inData) push(parts, 'row', cut(at))
          break
      }
    }
    this.#held.push(bytes.subarray(start))
    return parts
  }

  /** @throws `INVALID_TABLE` when the object, or any, is not there to its end. */
  finish(): void {
    if (!this.#ended || !BLANK.test(this.#take(new Uint8Array()))) throw this.#refuse()
  }

  #begin(byte: number, before: string): void {
    if (this.#ended || byte !== OPEN_BRACE || !BLANK.test(before)) throw this.#refuse()
  }

  #end(byte: number, parts: TablePart[], text: string): void {
    if (byte !== CLOSE_BRACE) throw this.#refuse()
    push(parts, 'member', text)
    this.#ended = true
  }

  #refuse(): ArtifactError {
    const message = `"${this.#name}" is no table: its JSON is not one whole object`
    return new ArtifactError('INVALID_TABLE', message, { details: { path: this.#name } })
  }

  /** The part in progress, with the bytes that follow what is held. */
  #text(bytes: Uint8Array): string {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([...this.#held, bytes])
    return Buffer.from(all.buffer, all.byteOffset, all.length).toString('utf8')
  }

  #take(bytes: Uint8Array): string {
    const text = this.#text(bytes)
    this.#held = []
    return text
  }
}

/** Between brackets, and before a comma after the rows, there may be nothing. */
function push(parts: TablePart[], kind: 'row' | 'member', text: string): void {
  if (!BLANK.test(text)) parts.push(kind === 'row' ? { row: text } : { member: text })
}
