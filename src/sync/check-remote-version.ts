import { ArtifactError } from '../errors.js'
import { checkRun } from '../model/check-run.js'
import { ALGORITHMS, algorithmOf, isAlgorithm, parseDigest } from '../model/digest.js'
import type { Piece } from '../model/entry.js'
import { normalizeMetadata } from '../model/metadata.js'
import {
  checkEntity,
  checkId,
  checkName,
  checkProject,
  checkTags,
  checkType,
  checkUserAliases,
} from '../model/names.js'
import { MAX_PIECE_BYTES } from '../model/piece.js'
import type { RunInfo, Version } from '../model/version.js'
import type { Remote } from '../remote/remote.js'

const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/

/**
 * A version that a remote answered, with every field in the form that the model demands and no
 * others. Whether the pieces hold what it says is not looked at.
 *
 * @throws `REMOTE_INVALID`, with the field's own error as its cause.
 */
export function checkRemoteVersion(remote: Remote, version: Version): Omit<Version, 'state'> {
  try {
    const { algorithm, digest, description } = version
    if (!isAlgorithm(algorithm)) throw new TypeError(`unknown digest algorithm ${algorithm}`)
    const hex = new RegExp(`^[0-9a-f]{${ALGORITHMS[algorithm].bytes * 2}}$`)
    if (typeof digest !== 'string' || !hex.test(digest)) throw new TypeError('not a digest')
    if (description !== null && typeof description !== 'string') {
      throw new TypeError('the description is not a text')
    }
    if (typeof version.createdAt !== 'string' || !ISO_TIME.test(version.createdAt)) {
      throw new TypeError('createdAt is not a time')
    }
    const name = checkName(version.name)
    return {
      id: checkId(version.id),
      entity: checkEntity(version.entity),
      project: checkProject(version.project),
      name,
      type: checkType(version.type, name),
      number: checkCount(version.number),
      algorithm,
      digest,
      size: checkCount(version.size),
      fileCount: checkCount(version.fileCount),
      pieces: version.pieces.map(piece => checkPiece(piece, algorithm)),
      description,
      metadata: normalizeMetadata(version.metadata),
      tags: checkTags(version.tags),
      aliases: checkUserAliases(version.aliases),
      run: version.run === null ? null : checkRunFields(version.run),
      createdAt: version.createdAt,
    }
  } catch (cause) {
    const { message } = cause as Error
    throw new ArtifactError('REMOTE_INVALID', `the remote answered a broken version: ${message}`, {
      cause,
      details: { url: remote.url },
    })
  }
}

function checkPiece({ digest, size, count }: Piece, algorithm: string): Piece {
  const piece = { digest: parseDigest(digest), size: checkCount(size), count: checkCount(count) }
  if (algorithmOf(piece.digest) !== algorithm) throw new TypeError(`${digest} is no ${algorithm}`)
  if (piece.size > MAX_PIECE_BYTES) throw new TypeError(`the piece ${digest} is too large`)
  return piece
}

function checkRunFields(run: RunInfo): RunInfo {
  const { id, project, name, jobType, group } = run
  const fields = { id, project, name, jobType, group }
  for (const [field, value] of Object.entries(fields)) {
    const optional = field !== 'id' && field !== 'project'
    if (typeof value === 'string' || (optional && value === undefined)) continue
    throw new TypeError(`the run's ${field} is not a text`)
  }
  return checkRun(JSON.parse(JSON.stringify(fields)) as RunInfo)
}

function checkCount(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new TypeError(`not a count: ${value}`)
}
