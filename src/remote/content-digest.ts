import { createHash } from 'node:crypto'

/** Of RFC 9530. On every body that is held whole, in both directions. */
export const DIGEST_HEADER = 'content-digest'

/** The value of the header for a body. */
export function contentDigest(body: Uint8Array | string): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
}

/** False for a body that was changed on its way. Without a SHA-256 in the header nobody can tell. */
export function matchesDigest(body: Uint8Array, header: string | string[] | undefined): boolean {
  const [expected] = /\bsha-256=:[^:]*:/.exec(String(header)) ?? []
  return expected === undefined || expected === contentDigest(body)
}
