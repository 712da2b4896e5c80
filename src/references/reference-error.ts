import { ArtifactError, type ErrorCode } from '../errors.js'

/** Other statuses below 500 may pass too: S3 tells a request that took too long with 400. */
const DENIED = new Set([401, 402, 403, 407, 451])

/**
 * The error for an HTTP status that a source of references answered with, or for none when it did
 * not answer. Errors of the clients are not kept as the cause: they hold headers, and so secrets.
 */
export function referenceError(
  uri: string,
  status: number | undefined,
  reason: string,
  details: { retryAfterMs?: number } = {},
): ArtifactError {
  const [code, what] = classify(status)
  const message = `${what} ${uri}: ${reason}`
  return new ArtifactError(code, message, { details: { uri, status, ...details } })
}

export function referenceChanged(uri: string, reason: string): ArtifactError {
  return new ArtifactError('REFERENCE_CHANGED', `${uri} has changed: ${reason}`, {
    details: { uri },
  })
}

export function referenceNotFound(uri: string, reason: string): ArtifactError {
  return new ArtifactError('REFERENCE_NOT_FOUND', `there is no ${uri}: ${reason}`, {
    details: { uri },
  })
}

function classify(status: number | undefined): [ErrorCode, string] {
  if (status === 404 || status === 410) return ['REFERENCE_NOT_FOUND', 'there is no']
  if (status !== undefined && DENIED.has(status)) return ['REFERENCE_DENIED', 'not allowed to read']
  return ['REFERENCE_FAILED', 'cannot read']
}
