/** Memory that bytes are written to one after another; it grows as they need it, and serves again. */
export class ByteBuffer {
  /** Bytes written so far. */
  length = 0
  #memory: Buffer

  /** @param size bytes that it has room for to begin with. */
  constructor(size: number) {
    this.#memory = Buffer.allocUnsafeSlow(size)
  }

  /** What was written; valid until more is. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.length)
  }

  addText(text: string): void {
    // A code unit takes at most three bytes.
    this.length += this.reserve(text.length * 3).write(text, this.length)
  }

  /** Makes room for so many bytes more. @returns memory to write them to, from `length` on. */
  reserve(bytes: number): Buffer {
    const wanted = this.length + bytes
    if (wanted > this.#memory.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(wanted, this.#memory.length * 2))
      larger.set(this.bytes)
      this.#memory = larger
    }
    return this.#memory
  }
}
