import { MessageChannel } from 'node:worker_threads'

const { port1: nowhere } = new MessageChannel()
nowhere.close()

/**
 * Gives the memory of parts that fill it back now, not when they are collected, and leaves them empty.
 * What lies outside the heap counts for V8 like what lies in it: with every 64 MB that pass through a
 * thread it looks its whole heap through, which takes longer than to copy them.
 */
export function freeMemory(parts: ArrayBufferView[]): void {
  const own = parts.filter(
    part => part.byteLength > 0 && part.byteLength === part.buffer.byteLength,
  )
  const memory = new Set(own.map(({ buffer }) => buffer as ArrayBuffer))
  // A closed port takes what is handed over and drops it.
  nowhere.postMessage(null, [...memory])
}
