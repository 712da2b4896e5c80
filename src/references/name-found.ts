import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'
import { isCanonicalPath, normalizeArtifactPath } from '../model/artifact-path.js'
import { checkAborted } from '../store/progress.js'
import type { FoundReference, ReferenceEntry } from './reference-handler.js'

/** W&B's documented limit. */
export const MAX_OBJECTS = 10_000

export interface NameFoundOptions {
  /** Path of an object, or the one under which what lies below a prefix goes. Default: as found. */
  name?: string
  /** The most objects that the URI may stand for. Default 10,000. */
  maxObjects?: number
  signal?: AbortSignal
}

/**
 * The entries for what a URI stands for.
 *
 * @throws `TOO_MANY_OBJECTS`; `INVALID_PATH`, naming the key that cannot be a path as it is;
 *   `INTERRUPTED`; what `found` throws.
 */
export async function* nameFound(
  uri: string,
  found: AsyncIterable<FoundReference>,
  { name, maxObjects = MAX_OBJECTS, signal }: NameFoundOptions,
): AsyncGenerator<ReferenceEntry, void, undefined> {
  let count = 0
  for await (const one of found) {
    checkAborted(signal)
    count += 1
    if (count > maxObjects) throw tooMany(uri, maxObjects)
    const { ref, digest, size, extra } = one
    yield { path: toPath(one, name), digest, size, ref, ...(extra && { extra }) }
  }
}

function toPath({ path, single, ref }: FoundReference, name: string | undefined): string {
  if (single && name !== undefined) return normalizeArtifactPath(name)
  if (single && path === '') {
    throw new ArtifactError('INVALID_PATH', `${ref} needs a name: nothing in it is one`, {
      details: { uri: ref },
    })
  }
  const prefix = name === undefined ? '' : `${normalizeArtifactPath(name)}/`
  // Made canonical, two keys could become one path, and one of the objects would be lost.
  if (isCanonicalPath(path) && isCanonicalPath(prefix + path)) return prefix + path
  const shown = inspect(path, { maxStringLength: 200 })
  throw new ArtifactError('INVALID_PATH', `${ref} cannot be kept under the path ${shown}`, {
    details: { path, uri: ref },
  })
}

function tooMany(uri: string, maxObjects: number): ArtifactError {
  const message =
    `${uri} has at least ${maxObjects + 1} objects, more than ${maxObjects}; ` +
    'raise maxObjects (--max-objects) to refer to them'
  return new ArtifactError('TOO_MANY_OBJECTS', message, {
    details: { uri, maxObjects, atLeast: maxObjects + 1 },
  })
}
