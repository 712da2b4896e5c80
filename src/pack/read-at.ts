import { readSync } from 'node:fs'

/** Linux moves at most 0x7ffff000 bytes in one call. */
const MAX_READ_BYTES = 1 << 30

/** Fills `target` from `position` of a file. Returns fewer bytes than it holds only at the end. */
export function readAt(fd: number, target: Buffer, position: number): number {
  let done = 0
  while (done < target.length) {
    const length = Math.min(target.length - done, MAX_READ_BYTES)
    const read = readSync(fd, target, done, length, position + done)
    if (read === 0) break
    done += read
  }
  return done
}
