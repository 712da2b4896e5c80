import { ArtifactError } from '../errors.js'
import { openHandler } from './open-handler.js'
import { parseReferenceUri } from './parse-uri.js'

/**
 * Splits `URI[=NAME]`. Either may hold "=" (as `dt=2024-01-01/` does): the URI is the longest that
 * leads to something, for which it is asked, if there is an "=" at all. Of a scheme that cannot be
 * asked the last "=" ends it.
 *
 * @throws as `parseReferenceUri` and `ReferenceHandler.list`, for the whole text where nothing is
 *   found.
 */
export async function splitNamedUri(
  text: string,
  { signal }: { signal?: AbortSignal } = {},
): Promise<{ uri: string; name: string | undefined }> {
  const { uri, scheme } = parseReferenceUri(text)
  const handler = await openHandler(uri)
  const ends = [...text.matchAll(/=(?=.)/g)].map(({ index }) => index).reverse()
  const start = scheme.length + 1
  const splits = ends.filter(end => end > start)
  if (splits.length === 0) return { uri, name: undefined }
  const split = (end: number) => ({ uri: text.slice(0, end), name: text.slice(end + 1) })
  if (!handler.downloads) return split(splits[0]!)
  const exists = async (uri: string) => {
    const hashFile = () => Promise.reject(new Error('nothing is hashed without checksum'))
    const isLocal = scheme === 'file'
    for await (const _ of handler.list(uri, { checksum: !isLocal, hashFile, signal })) return true
    return false
  }
  let failure: unknown
  for (const end of [text.length, ...splits]) {
    try {
      if (await exists(text.slice(0, end))) {
        return end === text.length ? { uri, name: undefined } : split(end)
      }
    } catch (error) {
      const isAbsent =
        error instanceof ArtifactError &&
        ['REFERENCE_NOT_FOUND', 'REFERENCE_DENIED', 'INVALID_URI'].includes(error.code)
      if (!isAbsent) throw error
      failure ??= error
    }
  }
  throw failure ?? new ArtifactError('REFERENCE_NOT_FOUND', `there is nothing at ${uri}`)
}
