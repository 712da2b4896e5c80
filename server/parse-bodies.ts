import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ArtifactError } from '../src/errors.js'
import { contentDigest, DIGEST_HEADER, matchesDigest } from '../src/remote/content-digest.js'
import { KEYS_TYPE, MAX_JSON_DEPTH, MAX_JSON_VALUES, PACK_TYPE } from '../src/remote/messages.js'
import { measureJson } from './measure-json.js'

/**
 * The bodies that an app takes: JSON, keys, and packs, which are read as they arrive. One that is
 * held whole must be what its `content-digest` says, if it has one: `REQUEST_DAMAGED`. JSON of more
 * than {@link MAX_JSON_VALUES}, or deeper than {@link MAX_JSON_DEPTH}, is `REQUEST_TOO_LARGE`.
 * Answers carry their digest.
 */
export function parseBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = checkDigest(request, body as Buffer)
    if (bytes instanceof ArtifactError) return done(bytes)
    const { values, depth } = measureJson(bytes)
    if (values > MAX_JSON_VALUES || depth > MAX_JSON_DEPTH) {
      const message = `JSON of more than ${MAX_JSON_VALUES} values, or ${MAX_JSON_DEPTH} in each other`
      return done(new ArtifactError('REQUEST_TOO_LARGE', message))
    }
    parseJson(request, bytes.toString(), done)
  })
  app.addContentTypeParser(KEYS_TYPE, { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = checkDigest(request, body as Buffer)
    if (bytes instanceof ArtifactError) done(bytes)
    else done(null, bytes)
  })
  app.addContentTypeParser(PACK_TYPE, (_, payload, done) => done(null, payload))
  app.addHook('onSend', async (_, reply, payload) => {
    const isWhole = typeof payload === 'string' || Buffer.isBuffer(payload)
    if (isWhole) reply.header(DIGEST_HEADER, contentDigest(payload))
  })
}

function checkDigest({ headers }: FastifyRequest, body: Buffer): Buffer | ArtifactError {
  if (matchesDigest(body, headers[DIGEST_HEADER])) return body
  return new ArtifactError('REQUEST_DAMAGED', 'the body is not what its content-digest says')
}
