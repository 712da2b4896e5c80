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

/**
 * For a server without a key, which only this machine can reach: refuses requests for another host
 * with `REQUEST_INVALID`. A page in a browser may have its own name resolve to 127.0.0.1, and could
 * read what is served here if it were answered.
 */
export const requireLocalHost: onRequestHookHandler = async ({ host }) => {
  const name = host.replace(/:\d+$/, '')
  if (name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name)) return
  const message = 'a server without a key answers as localhost, 127.0.0.1 or [::1] only'
  throw new ArtifactError('REQUEST_INVALID', message)
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
