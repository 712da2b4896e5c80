import { setTimeout as sleep } from 'node:timers/promises'

/** What a source gave, in some of its parts. */
export interface PartBatch {
  parts: Uint8Array[]
  /** The source ended after these parts, with an error if there is one. */
  end?: { error?: unknown }
}

export interface JoinOptions {
  /** A batch of so many bytes goes on at once. */
  bytes: number
  /** Milliseconds after which a batch goes on with what it has. */
  holdMs: number
}

/** The same parts in batches. It does not throw: the last batch says how the source ended. */
export async function* joinParts(
  source: AsyncIterable<Uint8Array>,
  { bytes, holdMs }: JoinOptions,
): AsyncGenerator<PartBatch, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  const read = (): Promise<Required<PartBatch>['end'] | Uint8Array> =>
    iterator.next().then(
      ({ done, value }) => (done ? {} : value),
      error => ({ error }),
    )
  let next = read()
  try {
    for (;;) {
      const parts: Uint8Array[] = []
      const held = new AbortController()
      let due: Promise<undefined> | undefined
      for (let length = 0; length < bytes; ) {
        const got = await (due ? Promise.race([next, due]) : next)
        if (got === undefined) break
        if (!(got instanceof Uint8Array)) {
          held.abort()
          yield { parts, end: got }
          return
        }
        parts.push(got)
        length += got.length
        next = read()
        due ??= sleep(holdMs, undefined, { signal: held.signal }).catch(() => undefined)
      }
      held.abort()
      yield { parts }
    }
  } finally {
    // It may be waiting for a part that never comes; then it ends with its source.
    void iterator.return?.().catch(() => {})
  }
}
