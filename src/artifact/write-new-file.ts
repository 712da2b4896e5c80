import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { storeError } from '../errors.js'

/**
 * Writes a new file, mode 0600, through a function that is given a stream. Whatever comes of it, the
 * file is closed in the end.
 *
 * @returns what the function threw, or made the stream fail with, if it did.
 * @throws `STORE_FULL` or `STORE_FAILED` when the file could not be written: that is not the
 *   function's fault.
 */
export async function writeNewFile(
  path: string,
  write: (writer: Writable) => unknown,
): Promise<{ error: unknown } | undefined> {
  const writer = createWriteStream(path, { flags: 'wx', mode: 0o600 })
  const closed = finished(writer)
  // It is awaited below; until then a failure must not count as unhandled.
  closed.catch(() => {})
  try {
    await write(writer)
    // Ending a stream that was destroyed would pass for a good end.
    if (!writer.destroyed) writer.end()
    await closed
    return undefined
  } catch (error) {
    writer.destroy()
    // One that is just being opened makes its file even now: the caller could not remove it.
    if (!writer.closed) await once(writer, 'close').catch(() => {})
    const failure = writer.errored as NodeJS.ErrnoException | null
    if (failure?.syscall === 'write' || failure?.path === path) {
      throw storeError(failure, `writing ${path}`)
    }
    return { error }
  }
}
