import type { ArtifactError } from '../errors.js'
import type { Hasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'

/**
 * Passes bytes on and throws after the last of them unless they are those of `key`, so that
 * whoever takes them to the end knows. `hasher` has the key's algorithm and no other use meanwhile.
 *
 * @throws what `onDamage` makes, as soon as there are more bytes than the key says, or at the end.
 */
export async function* verifyParts(
  parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  key: BlobKey,
  { hasher, onDamage }: { hasher: Hasher; onDamage: () => ArtifactError },
): AsyncGenerator<Uint8Array, void, undefined> {
  hasher.init()
  let length = 0
  for await (const part of parts) {
    length += part.length
    if (length > key.size) throw onDamage()
    hasher.update(part)
    yield part
  }
  if (length !== key.size || hasher.digest() !== key.digest) throw onDamage()
}
