import { ArtifactError } from '../errors.js'
import type { Change } from '../model/change.js'
import type { Piece } from '../model/entry.js'
import { formatVersionName } from '../model/reference-name.js'
import type { Version } from '../model/version.js'
import { diffPieces } from '../store/diff-pieces.js'
import { pieceKey } from '../store/load-piece.js'
import { readPiece } from '../store/manifest.js'
import { pairPieces } from '../store/pair-pieces.js'
import { checkAborted } from '../store/progress.js'
import { remoteOpener, type Workspace } from './workspace.js'

/** A version, and where its pieces are. */
export interface DiffSide {
  workspace: Workspace
  version: Version
  /** This store may lack pieces, which the remote has. */
  isRemote: boolean
}

/** See `LoggedArtifact.diff`. Of a version of the remote it fetches the pieces that differ. */
export async function* diffArtifacts(
  before: DiffSide,
  after: DiffSide,
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<Change, void, undefined> {
  expectComparable(before.version, after.version)
  const pairs = pairPieces(before.version.pieces, after.version.pieces)
  const read =
    ({ workspace }: DiffSide) =>
    (piece: Piece) => {
      checkAborted(signal)
      return readPiece(workspace.store, piece)
    }
  const piecesOf = (side: 'before' | 'after') => pairs.flatMap(pair => pair[side])
  await fetchPieces(before, piecesOf('before'), signal)
  await fetchPieces(after, piecesOf('after'), signal)
  yield* diffPieces(pairs, { readBefore: read(before), readAfter: read(after) })
}

function expectComparable(before: Version, after: Version): void {
  if (before.algorithm === after.algorithm) return
  const [a, b] = [formatVersionName(before), formatVersionName(after)]
  throw new ArtifactError(
    'DIGESTS_DIFFER',
    `${a} has ${before.algorithm} digests and ${b} ${after.algorithm}: they do not compare`,
    { details: { before: before.algorithm, after: after.algorithm } },
  )
}

async function fetchPieces(
  { workspace, version: { entity }, isRemote }: DiffSide,
  pieces: Piece[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!isRemote) return
  const { fetchBlobs, listAbsent } = await import('../sync/fetch-blobs.js')
  const absent = await listAbsent(workspace.store, pieces.map(pieceKey))
  if (absent.length === 0) return
  const remote = (await remoteOpener(workspace))(workspace.settings.remote!)
  await fetchBlobs(workspace.store, remote, absent, {
    entity,
    signal,
    nameOf: ({ digest }) => `the manifest piece ${digest}`,
    onBytes: () => {},
    onSaved: () => {},
  })
}
