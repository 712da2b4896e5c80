import { ArtifactError } from '../errors.js'
import type { Version } from '../model/version.js'
import type { Store } from '../store/store.js'

/**
 * All of a version has one digest algorithm: what is added here could not go with another.
 * @throws `DIGEST_NOT_ACCEPTED`.
 */
export function expectAlgorithm({ algorithm, home }: Store, base: Version): void {
  if (base.algorithm === algorithm) return
  const message =
    `"${base.project}/${base.name}" has the digest ${base.algorithm}, and the store in ${home} ` +
    `adds files with ${algorithm}`
  throw new ArtifactError('DIGEST_NOT_ACCEPTED', message, {
    details: { id: base.id, accepted: [base.algorithm], algorithm },
  })
}
