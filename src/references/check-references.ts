import { lstatSync } from 'node:fs'
import pLimit from 'p-limit'
import { ArtifactError } from '../errors.js'
import type { TreePaths } from '../store/tree-path.js'
import type { VerifyProblem } from '../store/verify.js'
import type { OpenHandler } from './open-handler.js'
import type { ReferenceEntry } from './reference-handler.js'

/** Questions at a time. */
const PARALLEL = 16

/**
 * Asks of each reference whether the recorded bytes are still where it leads to.
 * @throws `INTERRUPTED`.
 */
export async function checkReferences(
  entries: ReferenceEntry[],
  openHandler: OpenHandler,
  { signal }: { signal?: AbortSignal } = {},
): Promise<VerifyProblem[]> {
  const limit = pLimit(PARALLEL)
  const problems = await Promise.all(
    entries.map(entry =>
      limit(async (): Promise<VerifyProblem[]> => {
        try {
          const handler = await openHandler(entry.ref)
          await handler.check(entry, { signal })
          return []
        } catch (error) {
          if (!(error instanceof ArtifactError) || error.code === 'INTERRUPTED') throw error
          return [describeFailure(entry, error)]
        }
      }),
    ),
  )
  return problems.flat()
}

/** What it means for a reference that asking about it failed so. */
export function describeFailure(
  { path }: ReferenceEntry,
  { code, message }: ArtifactError,
): VerifyProblem {
  if (code === 'REFERENCE_CHANGED') return { path, problem: 'differs', message }
  return { path, problem: code === 'REFERENCE_NOT_FOUND' ? 'missing' : 'unchecked', message }
}

/**
 * Compares a file of a folder with a reference whose content was never fetched here, so that only
 * its size is known.
 */
export function checkReferenceFile(
  paths: TreePaths,
  { path, size, extra }: ReferenceEntry,
): VerifyProblem[] {
  try {
    const file = paths.resolve(path)
    const stat = file === null ? undefined : lstatSync(file, { throwIfNoEntry: false })
    if (!stat) return [{ path, problem: 'missing', message: 'it is not there' }]
    if (!stat.isFile()) return [{ path, problem: 'differs', message: 'it is not a regular file' }]
    if (extra?.sizeUnknown || stat.size === size) return []
    return [{ path, problem: 'differs', message: `it has ${stat.size} bytes, not ${size}` }]
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error
    return [{ path, problem: 'differs', message: error.message }]
  }
}
