/**
 * On requests: the session that they belong to, random. What the server said is there stays as long
 * as the session is used.
 */
export const SESSION_HEADER = 'artifactd-session'

/** Of a session. */
export function isSessionId(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{32}$/.test(text)
}
