import type { FastifyReply, FastifyRequest } from 'fastify'
import { ArtifactError, ERRORS, type ErrorData } from '../src/errors.js'

/** Answers a failed request with its error as JSON and the status of the error table. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const coded = toArtifactError(error)
  const { http } = ERRORS[coded.code]
  if (http >= 500) request.log.error({ err: error, code: coded.code }, 'request failed')
  else request.log.info({ code: coded.code, reason: coded.message }, 'request refused')
  if (http === 401) reply.header('www-authenticate', 'Bearer')
  reply
    .code(http)
    .type('application/json')
    .send({ error: toAnswer(coded) })
}

function toArtifactError(error: unknown): ArtifactError {
  if (error instanceof ArtifactError) return error
  // Fastify's own: bodies and addresses that it does not take.
  const { statusCode, message } = (error ?? {}) as { statusCode?: number; message?: string }
  if (statusCode === 413) return new ArtifactError('REQUEST_TOO_LARGE', String(message))
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ArtifactError('REQUEST_INVALID', String(message))
  }
  return new ArtifactError('SERVER_FAILED', 'unexpected error', { cause: error })
}

/** What went wrong inside is for the log: its text names files of the server. */
function toAnswer(error: ArtifactError): ErrorData {
  if (ERRORS[error.code].http < 500) return error.toJSON()
  return { code: error.code, message: `the server failed (${error.code}); its log says why` }
}
