import type { FileHandle } from 'node:fs/promises'

/** Writes all of the bytes at a position; a single write may take only some of them. */
export async function writeWhole(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}
