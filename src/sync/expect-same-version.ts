import { ArtifactError } from '../errors.js'
import { formatVersionName } from '../model/reference-name.js'
import type { Version } from '../model/version.js'
import type { Remote } from '../remote/remote.js'

/**
 * Makes sure that a version of a remote is the one that has its id here: what may not change is the
 * same.
 * @throws `REMOTE_INVALID`, naming the version here.
 */
export function expectSameVersion(
  remote: Remote,
  known: Version,
  { entity, project, name, type, digest, pieces, id }: Omit<Version, 'state'>,
): void {
  const isSame =
    known.entity === entity &&
    known.project === project &&
    known.name === name &&
    known.type === type &&
    known.digest === digest &&
    known.pieces.length === pieces.length &&
    known.pieces.every((piece, index) => piece.digest === pieces[index]!.digest)
  if (isSame) return
  throw new ArtifactError('REMOTE_INVALID', `@${id} is another version here`, {
    details: { url: remote.url, id, here: formatVersionName(known) },
  })
}
