import { ArtifactError, type ErrorCode } from '../errors.js'

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
  const mayPass = status === undefined || status < 400 || status >= 500
  if (mayPass || status === 408 || status === 425 || status === 429) {
    return ['REFERENCE_FAILED', 'cannot read']
  }
  return ['REFERENCE_DENIED', 'not allowed to read']
}
