import { createHash, timingSafeEqual } from 'node:crypto'
import type { onRequestHookHandler } from 'fastify'
import { ArtifactError } from '../src/errors.js'

/** Compares in a time that depends on neither key, for their hashes are compared. */
export function isSameKey(given: string, expected: string): boolean {
  return timingSafeEqual(sha256(given), sha256(expected))
}

/** Refuses requests without `Authorization: Bearer KEY`, with `REMOTE_UNAUTHORIZED`. */
export function requireKey(key: string): onRequestHookHandler {
  return async request => {
    const given = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (given !== undefined && isSameKey(given, key)) return
    const reason = given === undefined ? 'needs an API key' : 'does not know this API key'
    throw new ArtifactError('REMOTE_UNAUTHORIZED', `the server ${reason}`)
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
