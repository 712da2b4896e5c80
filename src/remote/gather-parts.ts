import { freeMemory } from '../hash/free-memory.js'

/**
 * The same bytes in parts of `length`, so that most records lie in one: each is there until the next is
 * asked for. What came before an error comes before it.
 * @param source its parts are handed over with the memory that they fill.
 */
export async function* gatherParts(
  source: AsyncIterable<Uint8Array>,
  length: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const memory = Buffer.allocUnsafeSlow(length)
  let filled = 0
  let copied: Uint8Array[] = []
  let failure: { error: unknown } | undefined
  try {
    for await (const part of source) {
      for (let done = 0; done < part.length; ) {
        const some = part.subarray(done, done + length - filled)
        memory.set(some, filled)
        filled += some.length
        done += some.length
        if (filled < length) continue
        yield memory
        filled = 0
      }
      copied.push(part)
      if (copied.length < PARTS_FREED) continue
      freeMemory(copied)
      copied = []
    }
  } catch (error) {
    failure = { error }
  }
  if (filled > 0) yield memory.subarray(0, filled)
  if (failure) throw failure.error
}

/** Given back together. */
const PARTS_FREED = 16
